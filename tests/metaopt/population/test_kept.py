"""Kept: the best model of a lane counts, training goes on from the latest, a kill loses neither.

The curve of these trials turns: with an outer rate this high they are best at meta-iteration 20.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from metaopt import read_winner
from metaopt.errors import CorruptCheckpoint, InvalidPopulation
from metaopt.evaluation.bank import BankSpec
from metaopt.evaluation.selection import Selection
from metaopt.population.kept import compared
from metaopt.population.lanes import Lanes
from metaopt.population.population import Population
from metaopt.population.signature import signature_of
from metaopt.population.tensor_file import to_bytes

FIXED = {"meta_batch": 4}
RATES = {"turns": 0.2, "later": 0.05}
BANK = BankSpec("validation", 5, 20, 5, 10, 1)
RUNGS = [20, 40, 60, 80]
EVERYWHERE = Selection(BANK, dict.fromkeys(RUNGS, BANK.tasks))


class Enough(Exception):
    """What ends a selection early."""


def population(*lanes: str, **changes) -> Population:
    made = Population(
        signature_of(
            tasks={"kind": "sinusoid", "k_shot": 5, "q_query": 5},
            model={"kind": "mlp", "widths": [16, 16]},
            algorithm="maml",
            params={**FIXED, **changes},
            step_cap=1,
            test_cap=1,
            dtype="float64",
        )
    )
    for lane in lanes:
        made.admit(lane, params_of(lane, **changes), seed=1, horizon=80)
    return made


def params_of(lane: str, **changes) -> dict:
    numbers = {"inner_lr": 0.02, "outer_lr": RATES[lane], "inner_steps": 1}
    return {**FIXED, **numbers, **changes}


def trained(made: Population, selection: Selection | None = EVERYWHERE, to: int = 80) -> Population:
    """Train in segments that end at rungs, and select there."""
    for rung in RUNGS:
        if made.state(made.lanes[0]).age < rung <= to:
            made.advance(rung - made.state(made.lanes[0]).age)
            if selection is not None:
                made.keep_best(made.lanes, selection)
    return made


def loss(made: Population, lane: str, tasks: int = BANK.tasks) -> float:
    scores = made.evaluate([lane], BANK)[lane].scores[:tasks]
    return sum(scores) / tasks


def flat(made: Population, lane: str) -> torch.Tensor:
    return torch.cat([w.flatten() for w in made.weights(lane).values()])


def files(made: Population, lane: str, path: Path) -> dict[str, torch.Tensor]:
    made.checkpoint(lane, path)
    return load_file(path)


@pytest.fixture(scope="module")
def by_rung() -> list[tuple[float, torch.Tensor]]:
    """Loss and weights at each rung of the trial that turns, without anything that is kept."""
    made, seen = population("turns"), []
    for rung in RUNGS:
        trained(made, None, to=rung)
        seen.append((loss(made, "turns"), flat(made, "turns")))
    return seen


def test_the_best_of_the_rungs_so_far_counts(by_rung):
    losses = [of_rung for of_rung, _ in by_rung]
    assert min(losses) == losses[0] < 0.95 * losses[-1], "the curve was to turn"
    made = population("turns")
    for rung in RUNGS:
        trained(made, to=rung)
        kept = made.kept("turns")
        assert (kept.age, kept.compared_at, kept.tasks) == (20, rung, BANK.tasks)
        assert kept.latest_loss == pytest.approx(losses[RUNGS.index(rung)], rel=1e-12)
        assert loss(made, "turns") == losses[0]
        assert torch.equal(flat(made, "turns"), by_rung[0][1])


def test_training_goes_on_from_the_latest_weights_bit_by_bit(tmp_path):
    with_best = files(trained(population("turns")), "turns", tmp_path / "best")
    without = files(trained(population("turns"), None), "turns", tmp_path / "last")
    assert {n for n in with_best if n not in without} == {
        "kept.phi", "kept.inner_v", "kept.inner_taken"
    }  # fmt: skip
    for name, tensor in without.items():
        assert torch.equal(tensor, with_best[name]), name
    with safe_open(tmp_path / "last", "pt") as file:
        assert "kept" not in file.metadata()


def test_each_lane_has_its_own_best_whatever_its_neighbours():
    together = trained(population("turns", "later"))
    ages = {lane: together.kept(lane).age for lane in together.lanes}
    assert ages["turns"] == 20 < ages["later"]
    for lane in together.lanes:
        alone = trained(population(lane))
        assert alone.kept(lane).age == ages[lane]
        assert torch.allclose(flat(together, lane), flat(alone, lane), rtol=1e-9, atol=1e-12)
    together.evict("turns")
    assert together.lanes == ["later"] and together.kept("later").age == ages["later"]


@pytest.mark.parametrize("killed_at", [20, 30, 60])
def test_a_lane_resumed_from_its_checkpoint_has_the_same_best(tmp_path, killed_at):
    whole = trained(population("turns"))
    first = trained(population("turns"), to=killed_at)
    first.advance(killed_at - first.state("turns").age)
    digest = first.checkpoint("turns", tmp_path / "c")
    second = population()
    second.admit(
        "turns",
        params_of("turns"),
        seed=1,
        horizon=80,
        checkpoint=tmp_path / "c",
        digest=digest,
    )
    trained(second)
    mine, theirs = files(whole, "turns", tmp_path / "w"), files(second, "turns", tmp_path / "s")
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[n], theirs[n]) for n in mine)
    assert second.kept("turns").numbers() == whole.kept("turns").numbers()


def test_what_was_scored_on_other_tasks_is_scored_again_beside_the_latest():
    """Against the rule itself, in a few lines: on rising numbers of tasks."""
    tasks_at = {20: 3, 40: 6, 60: 20, 80: 20}
    alone, best = population("later"), None
    made = population("later")
    for rung, tasks in tasks_at.items():
        trained(alone, None, to=rung)
        trained(made, Selection(BANK, tasks_at), to=rung)
        latest = (rung, alone.evaluate(["later"], BANK)["later"].scores)
        if best is None or sum(latest[1][:tasks]) < sum(best[1][:tasks]):
            best = latest
        kept = made.kept("later")
        assert (kept.age, kept.tasks) == (best[0], tasks)
        assert kept.loss == pytest.approx(sum(best[1][:tasks]) / tasks, rel=1e-12)


def test_the_statistic_and_the_direction_of_the_study_decide(by_rung):
    upside_down = trained(population("turns"), Selection(BANK, EVERYWHERE.tasks_at, maximize=True))
    losses = [of_rung for of_rung, _ in by_rung]
    assert upside_down.kept("turns").age == RUNGS[losses.index(max(losses))]
    median = Selection(BANK, EVERYWHERE.tasks_at, statistic="median")
    assert median.loss([1.0, 2.0, 30.0]) == 2.0
    assert Selection.from_json(json.loads(json.dumps(median.to_json()))) == median


def test_a_model_is_compared_once():
    made = trained(population("turns"), to=20)
    before = made.kept("turns")
    assert made.keep_best(["turns"], EVERYWHERE) == {}, "it was compared"
    made.advance(1)
    assert made.keep_best(["turns"], EVERYWHERE) == {}, "21 is no rung"
    assert made.kept("turns") is before


def test_equals_keep_the_earlier(tmp_path):
    made = trained(population("turns"), to=40)
    tensors = files(made, "turns", tmp_path / "c")
    lane, kept = (
        Lanes.of({n: t for n, t in tensors.items() if "kept." not in n}),
        made.kept("turns"),
    )
    same = compared(kept, lane, kept.loss, kept.tasks)
    assert (same.age, same.compared_at, same.latest_loss) == (20, 40, kept.loss)
    better = compared(kept, lane, kept.loss - 1e-12, kept.tasks)
    assert better.age == 40 and torch.equal(better.phi, lane.phi)


def test_a_selection_that_is_ended_early_leaves_everything_as_it_was():
    def enough() -> None:
        raise Enough

    made = trained(population("turns"), to=20)
    before = made.kept("turns")
    made.advance(20)
    with pytest.raises(Enough):
        made.keep_best(["turns"], EVERYWHERE, enough)
    assert made.kept("turns") is before
    made.keep_best(["turns"], EVERYWHERE)
    assert made.kept("turns").compared_at == 40


def test_a_winner_s_file_has_the_model_that_counts(tmp_path, by_rung):
    made = trained(population("turns"))
    made.write_model("turns", tmp_path / "w.safetensors", transductive=True)
    winner = read_winner(tmp_path / "w.safetensors")
    assert winner.card.meta_iterations == 20
    weights = torch.cat([w.flatten() for w in load_file(tmp_path / "w.safetensors").values()])
    assert torch.equal(weights.sort().values, by_rung[0][1].sort().values)


def test_a_lane_takes_its_best_to_another_program():
    made, second = trained(population("turns", order="first"), to=40), population()
    best, kept = flat(made, "turns"), made.kept("turns")
    second.take_over(made, order="second")
    assert second.kept("turns") is kept and torch.equal(flat(second, "turns"), best)
    with pytest.raises(InvalidPopulation, match="not in this population"):
        made.kept("turns")


@pytest.mark.parametrize("lost", ["kept.phi", "metadata"])
def test_a_checkpoint_with_a_part_of_its_best_is_none(tmp_path, lost):
    made, path = trained(population("turns"), to=20), tmp_path / "c"
    tensors = files(made, "turns", path)
    with safe_open(path, "pt") as file:
        metadata = dict(file.metadata())
    if lost == "metadata":
        del metadata["kept"]
    else:
        del tensors[lost]
    path.write_bytes(to_bytes(tensors, metadata))
    with pytest.raises(CorruptCheckpoint):
        population().admit("turns", params_of("turns"), seed=1, horizon=80, checkpoint=path)
