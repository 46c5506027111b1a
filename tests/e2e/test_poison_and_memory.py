"""A trial that kills whoever trains it, and lanes that do not fit: real workers, a real limit."""

import json
import math
import os
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.specs import TINY

ROOT = Path(__file__).parents[2]
LANES, POISONOUS = 16, 5
ONE_GIB, EIGHT_GIB = str(2**30), str(2**33)

pytestmark = [pytest.mark.night, pytest.mark.slow]

POISON = """
import ctypes
from dataclasses import replace

import torch

from metaopt.keys import key
from metaopt.tasks.registry import TASKS
from metaopt.tasks.regression import Sinusoid


class Poison(Sinusoid):
    def sample(self, split, keys, k_shot, q_query):
        from metaopt.population.step import task_keys

        bad = task_keys(torch.tensor([key({seed}, "trial", {number})]), torch.tensor([0]), 1)
        if split == "train" and torch.isin(bad, keys).any():
            ctypes.string_at(0)
        return super().sample(split, keys, k_shot, q_query)


POISON = replace(TASKS.get("sinusoid"), name="poison", make=lambda *_: Poison())
"""

MANY = {
    **TINY,
    "seed": 11,
    "budget": {"trials": LANES, "meta_iterations": 40},
    "verdict": {"finalists": 1, "seeds": 1, "tasks": 20, "compare": "none"},
}
del MANY["gates"]


def run(directory: Path, spec: dict[str, Any], *words: str, **settings: str) -> Path:
    """Run a study by the command line in a directory; return its database."""
    directory.mkdir(exist_ok=True)
    (directory / "spec.json").write_text(json.dumps(spec))
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
    small = {"METAOPT_SLOTS": "1", "METAOPT_COMPILE": "never", "METAOPT_SEGMENT_SECONDS": "0.5"}
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "run", "spec.json", *words],
        env={
            **inherited,
            **small,
            "METAOPT_DATA_DIRECTORY": "data",
            "PYTHONPATH": str(ROOT),
            **settings,
        },
        cwd=directory,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return directory / "data" / "metaopt.db"


def rows(database: Path, query: str) -> list[Sequence[Any]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


SEARCH = "SELECT trial_number, status, attempts, score, cause FROM mo_trials WHERE role = 'search'"


def test_a_poisonous_trial_among_sixteen_lanes_is_isolated(tmp_path: Path) -> None:
    file = tmp_path / "poison.py"
    file.write_text(POISON.format(seed=11, number=POISONOUS))
    poisoned = {**MANY, "tasks": {**MANY["tasks"], "kind": "poison"}}
    database = run(tmp_path / "poisoned", poisoned, "--import", str(file))
    trials = {number: rest for number, *rest in rows(database, SEARCH)}
    status, attempts, _, cause = trials.pop(POISONOUS)
    assert (status, attempts) == ("failed", 3) and "SIGSEGV" in cause
    assert {(status, attempts) for status, attempts, *_ in trials.values()} == {("completed", 0)}
    assert len(trials) == LANES - 1
    deaths = rows(database, "SELECT data FROM mo_events WHERE kind = 'worker_lost'")
    assert 3 <= len(deaths) <= math.log2(LANES) + 3
    healthy = run(tmp_path / "healthy", MANY)
    scores = {number: score for number, _, _, score, _ in rows(healthy, SEARCH)}
    found = {number: score for number, (_, _, score, _) in trials.items()}
    del scores[POISONOUS]
    assert found == pytest.approx(scores, rel=1e-3)  # other layouts: other last bits


def test_what_does_not_fit_shrinks_and_what_fits_not_even_alone_is_failed(tmp_path: Path) -> None:
    space = {"inner_lr": {"low": 0.001, "high": 0.01, "log": True}, "meta_batch": 4}
    wide = {"kind": "mlp", "widths": [1700, 1700, 1700]}
    huge = {"kind": "mlp", "widths": [4096] * 8}
    spec = {
        **MANY,
        "branches": [
            {"name": "wide", "algorithm": "maml", "model": wide, "space": space},
            {"name": "huge", "algorithm": "maml", "model": huge, "space": space},
        ],
        "search": {"sampler": "random", "allocation": "even"},
        "budget": {"trials": 6, "meta_iterations": 3},
        "evaluation": {"tasks": 4, "curve_steps": 1},
        "verdict": {"finalists": 1, "seeds": 1, "tasks": 4, "compare": "none"},
    }
    # By default the door lets in nothing that needs more than a worker may take.
    memory = {"METAOPT_WORKER_BYTES": ONE_GIB, "METAOPT_LANE_BYTES": EIGHT_GIB}
    limited = run(tmp_path / "limited", spec, **memory)
    branch = "SELECT branch, status, attempts, cause FROM mo_trials WHERE role = 'search'"
    found = rows(limited, branch)
    for name, status, attempts, cause in found:
        if name == "wide":
            assert (status, attempts, cause) == ("completed", 0, None)
        else:
            assert (status, attempts) == ("failed", 3) and "memory" in cause
    assert {name for name, *_ in found} == {"wide", "huge"}
    lost = rows(limited, "SELECT data FROM mo_events WHERE kind = 'worker_lost'")
    numbers = {number for (number, *_) in rows(limited, f"{SEARCH} AND branch = 'wide'")}
    together = [set(json.loads(data)["trial_numbers"]) for (data,) in lost]
    shrunk = [lanes for lanes in together if lanes <= numbers]
    assert shrunk and all(len(lanes) > 1 for lanes in shrunk)  # alone each of them fits
