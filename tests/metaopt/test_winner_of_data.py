"""A winner on somebody's data takes them raw and answers in their unit."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from metaopt.data.manifest import Group, Manifest
from metaopt.data.ngrams import vectors
from metaopt.data.pack import Packed
from metaopt.errors import CorruptModel, InvalidExamples
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import draw
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.tasks.base import Episodes
from metaopt.tasks.dataset.tasks import DatasetTasks
from metaopt.winner import Winner, read_winner
from tests.fakes.packed import images, table

SIZES = [8] * 9
MLP = {"kind": "mlp", "widths": [8]}
SPEC = {"kind": "dataset", "k_shot": 2, "q_query": 3, "n_way": 3}
BANK = BankSpec("test", 3, 4, 2, 3, 2)


def winner_on(packed: Packed, path: Any, **options: Any) -> tuple[Winner, Population]:
    tasks = DatasetTasks.of(packed, dtype=torch.float64, **options)
    signature = signature_of(
        tasks=SPEC, model=MLP, algorithm="maml", params={"meta_batch": 2, "inner_steps": 1},
        step_cap=2, test_cap=2, dtype="float64",
    )  # fmt: skip
    population = Population(signature, tasks=tasks)
    population.admit("t0", {"meta_batch": 2, "inner_steps": 1}, seed=3, horizon=8)
    population.advance(8)
    population.write_model("t0", path, transductive=True)
    return read_winner(path), population


def wanted(winner: Winner, episodes: Episodes, task: int) -> torch.Tensor:
    """What a winner without a preparation answers to inputs that are normalised already."""
    bare = replace(winner, card=replace(winner.card, data=None))
    adapted = bare.adapt(episodes.support.x[task], episodes.support.y[task])
    return adapted.outputs(episodes.query.x[task])


@pytest.mark.parametrize("normalise", ["train", "none"])
@pytest.mark.parametrize("shape", [(1, 4, 4), (3, 4, 5)])
def test_raw_images_give_what_the_study_saw(shape, normalise: str, tmp_path) -> None:
    packed = images(SIZES, shape=shape, given=True)
    winner, population = winner_on(packed, tmp_path / "w", n_way=3, normalise=normalise)
    episodes = draw(population.program.tasks, BANK, "cpu")
    data = winner.card.data
    assert data is not None and data.numbers is None and len(data.inputs.mean) == shape[0]
    mean, deviation = (torch.tensor(m, dtype=torch.float64)[:, None, None] for m in data.inputs)
    for task in range(BANK.tasks):
        support, query = (
            (part.x[task] * deviation + mean).round().byte().numpy() for part in episodes
        )
        adapted = winner.adapt(support, episodes.support.y[task])
        torch.testing.assert_close(adapted.outputs(query), wanted(winner, episodes, task))
        if shape[0] == 1:  # the axis of one channel may be left out
            assert torch.equal(adapted.predict(query[:, 0]), adapted.predict(query))


@pytest.mark.parametrize("normalise", ["train", "none"])
def test_a_regression_answers_in_the_unit_of_the_data(normalise: str, tmp_path) -> None:
    packed = table(SIZES, target="number", given=True)
    winner, population = winner_on(packed, tmp_path / "w", normalise=normalise)
    episodes = draw(population.program.tasks, BANK, "cpu")
    data = winner.card.data
    assert data is not None and data.numbers is not None
    (mean,), (deviation,) = data.numbers
    assert (mean, deviation) != (0.0, 1.0) if normalise == "train" else (0.0, 1.0)
    raw = {tuple(scaled.tolist()): row for row, scaled in enumerate(_scaled(population, packed))}
    told = population.evaluate(["t0"], BANK)["t0"].scores
    for task in range(BANK.tasks):
        rows = [[raw[tuple(x.tolist())] for x in part.x[task]] for part in episodes]
        support, query = ((packed.arrays["x"][r], packed.arrays["y"][r]) for r in rows)
        predicted = winner.adapt(*support).predict(query[0])
        normal = wanted(winner, episodes, task)
        torch.testing.assert_close(predicted, normal * deviation + mean, rtol=1e-6, atol=1e-6)
        error = float((predicted - torch.tensor(query[1])).square().mean())
        assert error == pytest.approx(told[task], rel=1e-5)


def _scaled(population: Population, packed: Packed) -> torch.Tensor:
    tasks: Any = population.program.tasks
    return torch.from_numpy(tasks.scaling.apply(packed.arrays["x"]))


def test_texts_are_given_as_they_are(tmp_path) -> None:
    words = ("rain", "sun", "fog", "ice", "dew", "hail", "haze", "snow", "wind", "storm")
    texts = [f"{word} {i}" for word in words for i in range(8)]
    groups = tuple(Group(word, 8) for word in words)
    said = {"features": 16, "text": "text", "class": "class"}
    manifest = Manifest("text", "class", (16,), 0, groups, arrays="", packing=said)
    winner, _ = winner_on(Packed(manifest, {"x": vectors(texts, 16)}), tmp_path / "w", n_way=2)
    chosen = [texts[0], texts[8]]
    by_text = winner.adapt(chosen, [0, 1]).outputs(texts[:3])
    by_number = winner.adapt(vectors(chosen, 16), [0, 1]).outputs(vectors(texts[:3], 16))
    assert torch.equal(by_text, by_number)
    with pytest.raises(InvalidExamples, match="must not be blank"):
        winner.adapt(["rain", " "], [0, 1])


def test_files_of_the_first_format_take_inputs_as_they_are(tmp_path) -> None:
    winner, _ = winner_on(table(SIZES, given=True), tmp_path / "w", n_way=3)
    content = (tmp_path / "w").read_bytes()
    size = int.from_bytes(content[:8], "little")
    card = json.loads(json.loads(content[8 : 8 + size])["__metadata__"]["metaopt"])
    assert card["format"] == 2 and card["data"]["kind"] == "table"
    del card["data"]
    old = save(load(content), {"metaopt": json.dumps({**card, "format": 1})})
    assert read_winner(old).card.data is None
    x = np.array([[1.0, 2.0, 3.0], [0.0, 1.0, 2.0], [2.0, 0.0, 1.0]])
    given = read_winner(old).adapt(winner.inputs(x), [0, 1, 2]).outputs(winner.inputs(x))
    torch.testing.assert_close(given, winner.adapt(x, [0, 1, 2]).outputs(x))
    for bad in ({"kind": "table"}, {**_card_data(winner), "kind": "sound"}, 3):
        broken = save(load(content), {"metaopt": json.dumps({**card, "format": 2, "data": bad})})
        with pytest.raises(CorruptModel, match="no model file"):
            read_winner(broken)


def _card_data(winner: Winner) -> dict[str, Any]:
    assert winner.card.data is not None
    return winner.card.data.to_json()
