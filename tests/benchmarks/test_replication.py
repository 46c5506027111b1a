"""The benchmarks of noise and replication run, and simulate what they say."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import noise, replication
from benchmarks.score_vectors import SOURCES
from benchmarks.simulated.study import LANES, SLOTS, simulate, study_spec
from benchmarks.simulated.table import Grid, Table
from benchmarks.verdict_world import read_table

SOURCE = SOURCES["sinusoid"]
RESERVE = 4


@pytest.fixture(scope="module")
def table() -> Table:
    """Real score vectors as a table of searches."""
    with np.load(SOURCE.file) as data:
        scores = data["scores"].astype(np.float32).transpose(1, 0, 2, 3)
        values = np.log(np.stack([data["inner_lr"], data["outer_lr"]], 1))
    names, low, high = ["inner_lr", "outer_lr"], values.min(0), values.max(0)
    spec = {
        "tasks": SOURCE.tasks,
        "model": SOURCE.model,
        "bank": {"tasks": scores.shape[-1], "k_shot": 10, "q_query": 10},
        "branches": {
            "maml": {
                "grid": {name: np.exp(values[:, i]).tolist() for i, name in enumerate(names)},
                "fixed": SOURCE.fixed,
            }
        },
    }
    unit, never = (values - low) / (high - low), np.full(scores.shape[:2], -1)
    truth = scores[:, :, -1].mean((0, 2))
    grids = {"maml": Grid(names, unit, low, high, [True, True], {}, scores, never, truth)}
    return Table(spec, [*SOURCE.rungs], grids, maximize=False)


@pytest.mark.parametrize(("sampler", "pruner"), [("random", "none"), ("tpe", "none")])
def test_searches_with_replicas_spend_no_more_than_others(
    table: Table, sampler: str, pruner: str
) -> None:
    full = SOURCE.rungs[-1]
    most, pruning = 12 * full, {"kind": pruner, "rungs": list(SOURCE.rungs[:-1])}
    plain_spec, spec = (
        study_spec(
            table, 0, search={"sampler": sampler, "replicates": many}, pruning=pruning, most=most
        )
        for many in (0, RESERVE)
    )
    plain = list(simulate(table, plain_spec, most))
    again = list(simulate(table, spec, most))
    kept = most - RESERVE * full
    shared = [one for one in plain if one[0] < kept]
    assert again[: len(shared)] == shared
    last_round = SLOTS * LANES * full  # a segment is not cut short
    assert kept <= again[-1][0] <= most + last_round
    assert len(again) > len(shared) + 1


def test_a_study_trains_no_more_replicas_than_it_keeps() -> None:
    found = [replication.study(read_table("sinusoid"), 12, "none", 3, seed) for seed in range(5)]
    assert {one.replicas for one in found} <= {2, 3}
    assert all(one.first >= 0 and one.winner >= 0 for one in found)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_the_process_takes_what_is_known_of_each_point() -> None:
    points = [{"x": x / 5, "y": y / 3} for x in range(6) for y in range(4)]
    seen = [noise.synthetic(p["x"], p["y"], np.random.default_rng(i)) for i, p in enumerate(points)]
    ways = ("as it is", "errors, fitted too", "errors alone")
    asked = [noise.suggest(points, seen, how, 3) for how in ways]
    assert len({str(one) for one in asked}) == 3
    assert noise.suggest(points, seen, "as it is", 3) == asked[0]


def test_a_table_is_a_problem_of_its_first_two_parameters(tmp_path: Path) -> None:
    with np.load(SOURCE.file) as data:
        scores = data["scores"].transpose(1, 0, 2, 3)
        steps = np.repeat([1, 2, 3], scores.shape[1])
        arrays = {
            "maml/inner_lr": np.tile(data["inner_lr"], 3),
            "maml/outer_lr": np.tile(data["outer_lr"], 3),
            "maml/scores": np.concatenate([scores + 1, scores, scores + 2], axis=1),
        }
    names = {"inner_lr": [], "outer_lr": [], "inner_steps": []}
    spec = json.dumps({"branches": {"maml": {"grid": names}}})
    np.savez(tmp_path / "table.npz", spec=spec, **arrays, **{"maml/inner_steps": steps})
    look = noise.table_problem(tmp_path / "table.npz")
    best = min(
        (look(x, y, np.random.default_rng(0)) for x in np.linspace(0, 1, 9) for y in (0, 0.5, 1)),
        key=lambda one: one.regret,
    )
    assert best.regret == 0.0
    assert 0.5 < best.score < 1.0 and 0.03 < best.stderr < 0.06
