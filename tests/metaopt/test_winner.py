"""A winner adapts as the study scored it, from its file alone."""

import json

import pytest
import torch
from safetensors import safe_open

from metaopt.errors import CorruptModel, InvalidExamples
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.curve import draw
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.tasks.base import mean_loss
from metaopt.winner import Winner, read_winner

SINUSOID = {"kind": "sinusoid", "k_shot": 5, "q_query": 5}
OMNIGLOT = {"kind": "omniglot", "n_way": 3, "k_shot": 2, "q_query": 2, "split": "vinyals"}
MLP = {"kind": "mlp", "widths": [16, 16]}
CONV4 = {"kind": "conv4", "filters": 4}
CASES = {
    "maml": ("maml", SINUSOID, MLP, {"meta_batch": 4, "inner_lr": 0.02, "inner_steps": 2}),
    "reptile with Adam": (
        "reptile",
        SINUSOID,
        MLP,
        {"meta_batch": 2, "inner_optimizer": "adam", "inner_lr": 0.01, "test_steps": 4},
    ),
    "images": ("maml", OMNIGLOT, CONV4, {"meta_batch": 2, "inner_lr": 0.3, "inner_steps": 2}),
}


def population(case: str, dtype: str = "float64") -> Population:
    algorithm, tasks, model, params = CASES[case]
    signature = signature_of(
        tasks=tasks, model=model, algorithm=algorithm, params=params, step_cap=5, test_cap=5,
        dtype=dtype,
    )  # fmt: skip
    found = Population(signature)
    found.admit("t0", params, seed=7, horizon=20)
    found.advance(20)
    return found


def written(found: Population, path, transductive: bool = True) -> Winner:
    digest = found.write_model("t0", path, transductive=transductive)
    assert len(digest) == 64
    return read_winner(path.read_bytes())


@pytest.mark.parametrize("transductive", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_its_predictions_have_the_scores_of_the_study(case: str, transductive: bool, tmp_path):
    found = population(case)
    winner = written(found, tmp_path / "w.safetensors", transductive)
    tasks = found.program.tasks
    bank = BankSpec("test", 3, 6, 2, 3, 5, transductive)
    told = found.evaluate(["t0"], bank)["t0"].scores
    episodes = draw(tasks, bank, "cpu")
    for task, score in enumerate(told):
        adapted = winner.adapt(episodes.support.x[task], episodes.support.y[task])
        outputs = adapted.outputs(episodes.query.x[task])
        if tasks.classification:
            right = adapted.predict(episodes.query.x[task]) == episodes.query.y[task]
            assert float(right.double().mean()) == pytest.approx(score, abs=1e-12)
        else:
            loss = mean_loss(outputs, episodes.query.y[task], classification=False)
            assert float(loss) == pytest.approx(score, rel=1e-9)


def test_its_weights_are_plain_safetensors(tmp_path) -> None:
    found = population("maml", "float32")
    written(found, tmp_path / "w.safetensors")
    with safe_open(tmp_path / "w.safetensors", framework="pt") as file:
        assert torch.equal(file.get_tensor("w1"), found.weights("t0")["w1"])
        card = json.loads(file.metadata()["metaopt"])
    assert card["params"]["inner_lr"] == 0.02
    assert (card["algorithm"], card["steps"], card["meta_iterations"]) == ("maml", 2, 20)


def test_more_steps_fit_the_support_set_better_and_change_no_weights(tmp_path) -> None:
    winner = written(population("maml"), tmp_path / "w.safetensors")
    x, y = [[-2.0], [0.0], [1.0], [3.0]], [1.0, 0.5, -0.2, 0.7]
    before = {name: p.clone() for name, p in winner.weights.items()}
    target = torch.tensor(y, dtype=torch.float64)[:, None]
    losses = [
        float((winner.adapt(x, y, steps=steps).predict(x) - target).square().mean())
        for steps in (0, 1, 5, 20)
    ]
    assert losses == sorted(losses, reverse=True) and losses[-1] < losses[0] / 2
    assert all(torch.equal(before[name], p) for name, p in winner.weights.items())


@pytest.mark.parametrize(
    ("x", "y", "says"),
    [
        ([], [], "at least one example"),
        ([[1.0, 2.0]], [1.0], r"must have shape \(1, 1\), got \(1, 2\)"),
        ([[float("nan")]], [1.0], "finite"),
        ([[1.0], [2.0, 3.0]], [1.0, 2.0], "rows of equal length"),
        ([[1.0]], [1.0, 2.0], r"targets must have shape \(1, 1\)"),
    ],
)
def test_examples_that_do_not_fit_are_refused(x, y, says: str, tmp_path) -> None:
    winner = written(population("maml"), tmp_path / "w.safetensors")
    with pytest.raises(InvalidExamples, match=says):
        winner.adapt(x, y)


def test_classes_that_are_none_are_refused(tmp_path) -> None:
    winner = written(population("images"), tmp_path / "w.safetensors")
    image = torch.zeros(2, *winner.card.input_shape)
    with pytest.raises(InvalidExamples, match="class numbers from 0 to 2"):
        winner.adapt(image, [0, 3])
    with pytest.raises(InvalidExamples, match="class numbers"):
        winner.adapt(image, [0, 0.5])
    with pytest.raises(InvalidExamples, match=r"steps must be in \[0, 1000000\], got -1"):
        winner.adapt(image, [0, 1], steps=-1)


def test_other_files_are_refused(tmp_path) -> None:
    found = population("maml")
    found.checkpoint("t0", tmp_path / "c.safetensors")
    for content in (b"", b"\xff" * 100, (tmp_path / "c.safetensors").read_bytes()):
        with pytest.raises(CorruptModel, match="no model file"):
            read_winner(content)
