"""What a simulated study meets: banks of tasks, the luck of each training, and the truth.

Scores are those of real trials (`benchmarks/score_vectors.py`).  A trial's point is rounded to the
nearest configuration of the table, its seed is one of that configuration's at random, and its
scores are its vector on the study's bank: tasks drawn with replacement, for the search once, for
the sealed bank again.  So the noise of tasks and of training is that of real trials, and the truth
is known: a configuration's mean over all its seeds and tasks.

How far apart the truths are can be chosen.  With `apart` 0 all points are the same configuration,
the worst case for whoever believes a winner, for the best is then always the luckiest; with 0.1
they are it too, shifted by a tenth of what really lies between it and them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.score_vectors import EDGE, SOURCES, Source
from metaopt.metaparams import Value
from service.wire.spec.study import StudySpec

MIDDLE = {"sinusoid": (0.02, 3e-3), "omniglot": (0.3, 1e-2)}


@dataclass(frozen=True)
class Table:
    """Scores (configurations, seeds, rungs, tasks) of a source, with their grid."""

    source: Source
    scores: np.ndarray
    inner_lr: np.ndarray
    outer_lr: np.ndarray
    middle: int

    def nearest(self, params: dict[str, Value]) -> int:
        """Return the configuration nearest to a point, in logarithms."""
        return _nearest(
            self.inner_lr, self.outer_lr, float(params["inner_lr"]), float(params["outer_lr"])
        )


class World:
    """What one simulated study meets."""

    def __init__(self, table: Table, spec: StudySpec, seed: int, *, apart: float = 1.0) -> None:
        """Draw the banks."""
        self.table = table
        self.sign = -1 if spec.maximize() else 1
        self._luck = np.random.default_rng(seed)
        self._apart = apart
        tasks = table.scores.shape[-1]
        self._validation = self._luck.integers(tasks, size=spec.evaluation.tasks)
        self._sealed = self._luck.integers(tasks, size=spec.verdict.tasks)

    def train(self, params: dict[str, Value]) -> np.ndarray:
        """Return the scores of a training with a new seed (rungs, tasks)."""
        scores = self.table.scores
        seed = self._luck.integers(scores.shape[1])
        found = self.table.nearest(params)
        if self._apart == 1.0:
            return scores[found, seed]
        return scores[self.table.middle, seed] + self._apart * self._gap(found)[:, None]

    def truth(self, params: dict[str, Value]) -> float:
        """Return the mean over all seeds and tasks at the last rung."""
        found, last = self.table.nearest(params), self.table.scores[:, :, -1]
        if self._apart == 1.0:
            return float(last[found].mean())
        return float(last[self.table.middle].mean() + self._apart * self._gap(found)[-1])

    def validation(self, training: np.ndarray, rung: int) -> list[float]:
        """Return its scores on the search's bank."""
        place = self.table.source.rungs.index(rung)
        return [float(score) for score in training[place, self._validation]]

    def sealed(self, training: np.ndarray) -> list[float]:
        """Return its scores on the sealed bank."""
        return [float(score) for score in training[-1, self._sealed]]

    def _gap(self, configuration: int) -> np.ndarray:
        scores = self.table.scores
        gap: np.ndarray = (scores[configuration] - scores[self.table.middle]).mean(axis=(0, 2))
        return gap


def read_table(name: str) -> Table:
    """Return the score vectors of that name."""
    source = SOURCES[name]
    with np.load(source.file) as data:
        inner, outer = data["inner_lr"], data["outer_lr"]
        scores = data["scores"].astype(np.float64)
    return Table(source, scores, inner, outer, _nearest(inner, outer, *MIDDLE[name]))


class EdgeTable(NamedTuple):
    """Errors near the edge of divergence: `benchmarks.score_vectors.EDGE`.

    Args:
        scores: MSE (configurations, seeds, rungs, tasks); 1e6 where adaptation diverged.
        algorithm: Of each configuration.
        inner_lr, outer_rate, inner_steps: Likewise.
        rungs: Meta-iterations.
    """

    scores: np.ndarray
    algorithm: np.ndarray
    inner_lr: np.ndarray
    outer_rate: np.ndarray
    inner_steps: np.ndarray
    rungs: np.ndarray


def read_edge_table() -> EdgeTable:
    """Return the score vectors with heavy tails."""
    with np.load(EDGE.file) as data:
        columns = {name: data[name] for name in EdgeTable._fields}
    return EdgeTable(**{**columns, "scores": columns["scores"].astype(np.float64)})


def study_spec(source: Source, verdict: dict[str, Any]) -> StudySpec:
    """Return the spec of the simulated studies, one trial after the other.

    Nothing waits there for a promotion, so `asha` would be `successive_halving`.
    """
    space = {
        **source.fixed,
        "inner_lr": {"low": source.inner_lr[0], "high": source.inner_lr[-1], "log": True},
        "outer_lr": {"low": source.outer_lr[0], "high": source.outer_lr[-1], "log": True},
    }
    return StudySpec.model_validate(
        {
            "name": "simulated",
            "tasks": source.tasks,
            "model": source.model,
            "branches": [{"algorithm": "maml", "space": space}],
            "search": {"sampler": "tpe"},
            "pruning": {"kind": "successive_halving", "rungs": list(source.rungs[:-1])},
            "budget": {"meta_iterations": source.rungs[-1]},
            "verdict": verdict,
        }
    )


def _nearest(inner_lr: np.ndarray, outer_lr: np.ndarray, inner: float, outer: float) -> int:
    return int(np.argmin(np.log(inner_lr / inner) ** 2 + np.log(outer_lr / outer) ** 2))
