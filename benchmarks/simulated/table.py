"""Tables of true scores, as `benchmarks/search_table.py` wrote them."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from metaopt.tasks.registry import TASKS

TABLES = Path(__file__).parents[1] / "tables"
NOISY_TASKS = 10  # of a bank that is too small

Json = dict[str, Any]


@dataclass(frozen=True)
class Grid:
    """One branch of a table.

    Args:
        names: Of the parameters.
        points: Their values, in the unit cube (points, parameters); `unit` maps there.
        low, high: Of each parameter, in its logarithm if `log`.
        choices: Of parameters that are words; the cube has their places.
        scores: (seeds, points, rungs, tasks) on the search's bank, NaN once diverged.
        diverged_at: (seeds, points), -1 if not.
        truth: (points,), mean over the seeds and many tasks that no search sees; NaN if one of
            the trainings diverged.
    """

    names: list[str]
    points: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log: list[bool]
    choices: dict[str, list[str]]
    scores: np.ndarray
    diverged_at: np.ndarray
    truth: np.ndarray

    def nearest(self, params: Json) -> int:
        """Return the grid point nearest to a trial's."""
        given = [
            np.log(params[n])
            if log
            else self.choices[n].index(params[n])
            if n in self.choices
            else params[n]
            for n, log in zip(self.names, self.log, strict=True)
        ]
        unit = (np.array(given) - self.low) / (self.high - self.low)
        return int(((self.points - unit) ** 2).sum(1).argmin())


@dataclass(frozen=True)
class Table:
    """A table of true scores.

    Args:
        spec: What was trained, as in `search_table.SPECS`.
        rungs: Meta-iterations at which there are scores.
        grids: By branch.
        maximize: Whether a higher score is better.
    """

    spec: Json
    rungs: list[int]
    grids: dict[str, Grid]
    maximize: bool

    def truth(self, branch: str, point: int) -> float:
        """Return the score that a point truly has; the worst of all if it diverges."""
        return float(self._truths[branch][point])

    @cached_property
    def best(self) -> float:
        """Return the best true score of all."""
        every = np.concatenate(list(self._truths.values()))
        return float(every.max() if self.maximize else every.min())

    @cached_property
    def _truths(self) -> dict[str, np.ndarray]:
        every = np.concatenate([grid.truth for grid in self.grids.values()])
        worst = np.nanmin(every) if self.maximize else np.nanmax(every)
        return {
            name: np.where(np.isnan(grid.truth), worst, grid.truth)
            for name, grid in self.grids.items()
        }

    def on_small_bank(self, seed: int) -> "Table":
        """Return this table with a bank of `NOISY_TASKS` of its tasks, drawn by `seed`."""
        tasks = self.spec["bank"]["tasks"]
        drawn = np.random.default_rng(seed).choice(tasks, NOISY_TASKS, replace=False)
        spec = {**self.spec, "bank": {**self.spec["bank"], "tasks": NOISY_TASKS}}
        grids = {
            name: replace(grid, scores=grid.scores[..., drawn]) for name, grid in self.grids.items()
        }
        return replace(self, spec=spec, grids=grids)


def load(name: str) -> Table:
    """Return the table of that name."""
    with np.load(TABLES / f"{name}.npz") as arrays:
        spec = json.loads(str(arrays["spec"]))
        grids = {
            branch: _grid(arrays, branch, spec["branches"][branch]) for branch in spec["branches"]
        }
        rungs = [int(rung) for rung in arrays["rungs"]]
    return Table(
        spec, rungs, grids, maximize=TASKS.get(spec["tasks"]["kind"]).metric(spec["tasks"]).maximize
    )


def _grid(arrays: Any, branch: str, spec: Json) -> Grid:
    names = list(spec["grid"])
    log = [isinstance(spec["grid"][name][0], float) for name in names]
    choices = {n: spec["grid"][n] for n in names if isinstance(spec["grid"][n][0], str)}
    columns = []
    for n, is_log in zip(names, log, strict=True):
        column = arrays[f"{branch}/{n}"]
        if n in choices:
            column = np.array([choices[n].index(value) for value in column])
        columns.append(np.log(column) if is_log else column)
    values = np.stack(columns, 1).astype(np.float64)
    low, high = values.min(0), values.max(0)
    return Grid(
        names, (values - low) / (high - low), low, high, log, choices,
        arrays[f"{branch}/scores"].astype(np.float32), arrays[f"{branch}/diverged_at"],
        arrays[f"{branch}/truth"].mean(0),
    )  # fmt: skip
