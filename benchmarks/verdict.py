"""Is the verdict honest?  Simulated studies whose truth is known.

    python -m benchmarks.verdict [--studies 400] [--results benchmarks/results]

The search (`BranchSearch`, pruning), the choice of finalists and the verdict are the real code;
nothing is trained.  A trial's point is rounded to the nearest configuration of
`score_vectors.npz` (`benchmarks/score_vectors.py` trained those), its seed is one of that
configuration's at random, and its scores are its vector on the study's bank: tasks drawn with
replacement, for the search once, for the sealed bank again.  So the noise of tasks and of training
is that of real trials, and the truth is known: a configuration's mean over all its seeds and tasks.

`equal` is the worst case for whoever believes a winner: every point is the same configuration, so
the best is always the luckiest.
"""

import argparse
import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.score_vectors import FILE, FIXED, MODEL, RUNGS, TASKS
from metaopt.evaluation.statistics import summarize
from metaopt.metaparams import Value, complete
from metaopt.search.pruning import should_prune
from service.dispatcher.contenders import SealedRun
from service.dispatcher.finalists import borderline, choose_finalists, rank_trials
from service.dispatcher.loading import branch_search
from service.dispatcher.verdict import Defaults, SearchTrial, study_result
from service.wire.result import Estimate, Finalist, StudyResult
from service.wire.spec import StudySpec

RESULTS = Path(__file__).parent / "results"
SETTINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "3 seeds": {"verdict": {"seeds": 3}},
    "2 extra finalists": {"verdict": {"extra_finalists": 2}},
    "equal": {"equal": True},
    "equal, 3 seeds": {"verdict": {"seeds": 3}, "equal": True},
}


@dataclass(frozen=True)
class Table:
    """Scores (configurations, seeds, rungs, tasks), their grid, and the truth they have."""

    scores: np.ndarray
    inner_lr: np.ndarray
    outer_lr: np.ndarray

    def nearest(self, params: dict[str, Value]) -> int:
        """Return the configuration nearest to a point, in logarithms."""
        inner = np.log(self.inner_lr / float(params["inner_lr"]))
        outer = np.log(self.outer_lr / float(params["outer_lr"]))
        return int(np.argmin(inner**2 + outer**2))

    def truth(self, configuration: int) -> float:
        """Return the mean over all seeds and tasks at the last rung."""
        return float(self.scores[configuration, :, -1].mean())


class World:
    """What one simulated study meets: its banks, and the luck of each training."""

    def __init__(self, table: Table, spec: StudySpec, seed: int, *, equal: bool) -> None:
        """Draw the banks."""
        self.table = table
        self._luck = np.random.default_rng(seed)
        tasks = table.scores.shape[-1]
        self._validation = self._luck.integers(tasks, size=spec.evaluation.tasks)
        self._sealed = self._luck.integers(tasks, size=spec.verdict.tasks)
        middle = table.nearest({"inner_lr": 0.02, "outer_lr": 3e-3})
        self._only = middle if equal else None

    def configuration(self, params: dict[str, Value]) -> int:
        """Return the configuration that stands for a point."""
        return self.table.nearest(params) if self._only is None else self._only

    def train(self, params: dict[str, Value]) -> np.ndarray:
        """Return the scores of a training with a new seed (rungs, tasks)."""
        seed = self._luck.integers(self.table.scores.shape[1])
        return self.table.scores[self.configuration(params), seed]

    def validation(self, training: np.ndarray, rung: int) -> list[float]:
        """Return its scores on the search's bank."""
        return [float(score) for score in training[RUNGS.index(rung), self._validation]]

    def sealed(self, training: np.ndarray) -> list[float]:
        """Return its scores on the sealed bank."""
        return [float(score) for score in training[-1, self._sealed]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate every setting and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    found = {name: simulate(given.studies, **options) for name, options in SETTINGS.items()}
    given.results.mkdir(parents=True, exist_ok=True)
    (given.results / "verdict.json").write_text(json.dumps(found, indent=2) + "\n")
    (given.results / "verdict.txt").write_text(text(found, given.studies))
    print(text(found, given.studies), end="")


def simulate(
    studies: int, verdict: dict[str, Any] | None = None, *, equal: bool = False
) -> dict[str, float]:
    """Return how often the verdicts of that many studies were right."""
    table, spec = read_table(), study_spec(verdict or {})
    outcomes = []
    for seed in range(studies):
        own = spec.model_copy(update={"seed": seed})
        world = World(table, own, seed, equal=equal)
        outcomes.append(_judged(world, run_study(own, world)))
    return {
        name: statistics.fmean(value for one in outcomes for value in one[name])
        for name in outcomes[0]
    } | {
        f"{name}_stderr": _stderr([value for one in outcomes for value in one[name]])
        for name in outcomes[0]
    }


def read_table(path: Path = FILE) -> Table:
    """Return the score vectors."""
    with np.load(path) as data:
        scores = data["scores"].astype(np.float64)
        return Table(scores, data["inner_lr"], data["outer_lr"])


def study_spec(verdict: dict[str, Any]) -> StudySpec:
    """Return the spec of the simulated studies: defaults but for the tasks and the space."""
    space = {
        **FIXED,
        "inner_lr": {"low": 0.003, "high": 0.08, "log": True},
        "outer_lr": {"low": 3e-4, "high": 1e-2, "log": True},
    }
    return StudySpec.model_validate(
        {
            "name": "simulated",
            "tasks": TASKS,
            "model": MODEL,
            "branches": [{"algorithm": "maml", "space": space}],
            "pruning": {"rungs": list(RUNGS[:-1])},
            "budget": {"meta_iterations": RUNGS[-1]},
            "verdict": verdict,
        }
    )


def run_study(spec: StudySpec, world: World) -> StudyResult:
    """Return the verdict of one study, its search one trial after the other."""
    (branch,) = spec.branches
    search = branch_search(spec, branch, [])
    peers: dict[int, list[float]] = {rung: [] for rung in spec.rungs()}
    trials = []
    for number in range(spec.budget.trials):
        params = complete("maml", {**branch.fixed(), **search.ask(number)})
        trial = _search_trial(spec, world, number, params, peers)
        search.tell(number, trial.status, trial.score, trial.meta_iterations)
        trials.append(trial)
    chosen = _finalists(spec, trials)
    runs = [
        _fresh(world, trial.params, trial.trial_number)
        for trial in chosen
        for _ in range(spec.verdict.seeds)
    ]
    defaults = branch.defaults()
    others = [_fresh(world, defaults, None) for _ in range(spec.verdict.seeds)]
    return study_result(
        spec,
        trials,
        runs,
        defaults=Defaults("maml", defaults, others),
        counts={},
        wall_seconds=0.0,
    )


def _search_trial(
    spec: StudySpec,
    world: World,
    number: int,
    params: dict[str, Value],
    peers: dict[int, list[float]],
) -> SearchTrial:
    training = world.train(params)
    for rung in spec.rungs():
        scores = world.validation(training, rung)
        score = statistics.fmean(scores)
        peers[rung].append(score)
        found = SearchTrial(number, "maml", "pruned", params, score, 1.0, rung, score, score)
        if rung == spec.rungs()[-1]:
            break
        if should_prune(
            spec.pruning.kind,
            score=score,
            peers=peers[rung],
            maximize=spec.maximize(),
            reduction=spec.pruning.reduction,
            startup_trials=spec.pruning.startup_trials,
        ):
            return found
    low, high = summarize(scores).low, summarize(scores).high
    return SearchTrial(
        number, "maml", "completed", params, score, 1.0, rung, low, high, scores, [9.0, score]
    )


def _finalists(spec: StudySpec, trials: Sequence[SearchTrial]) -> list[SearchTrial]:
    completed = [(t.trial_number, t.score or 0.0) for t in trials if t.status == "completed"]
    ranked = rank_trials(completed, maximize=spec.maximize())
    count, extra = spec.verdict.finalists, spec.verdict.extra_finalists
    scores = {n: trials[n].scores for n in borderline(ranked, count=count, extra=extra)}
    return [trials[n] for n in choose_finalists(ranked, count=count, extra=extra, scores=scores)]


def _fresh(world: World, params: dict[str, Value], source: int | None) -> SealedRun:
    scores = world.sealed(world.train(params))
    score = statistics.fmean(scores)
    return SealedRun(0, source, "completed", None, score, scores, [9.0, score], 0.0, 1.0, RUNGS[-1])


def _judged(world: World, result: StudyResult) -> dict[str, list[float]]:
    winner, comparison = result.finalists[0], result.comparison
    assert comparison is not None and comparison.difference is not None
    found = min(result.finalists, key=lambda one: one.search_rank or 0)
    difference = _truth(world, winner) - world.table.truth(world.configuration(comparison.params))
    told = comparison.difference
    return {
        "finalists_covered": [_covered(world, one) for one in result.finalists],
        "winner_covered": [_covered(world, winner)],
        "winner_worse_than_told": [_truth(world, winner) > _high(winner)],
        "search_best_optimism_told": [found.optimism or 0.0],
        "search_best_optimism_true": [_truth(world, found) - found.search.score],
        "search_best_optimism_error": [
            (found.optimism or 0.0) - (_truth(world, found) - found.search.score)
        ],
        "search_best_interval_covered": [
            found.search.low <= _truth(world, found) <= found.search.high
        ],
        "difference_covered": [_holds(told, difference)],
        "worse_than_default_than_told": [difference > told.high],
        "winner_truly_worse_than_default": [difference > 1e-9],
        "said_better_than_default": [told.high < 0],
        "said_better_and_is_not": [told.high < 0 <= difference],
        "interval_half_width": [(_high(winner) - _low(winner)) / 2],
        "difference_half_width": [(told.high - told.low) / 2],
        "best_finalist_tied": [_best_is_tied(world, result)],
        "finalists": [len(result.finalists)],
    }


def _truth(world: World, finalist: Finalist) -> float:
    return world.table.truth(world.configuration(finalist.params))


def _low(finalist: Finalist) -> float:
    return finalist.sealed.low if finalist.sealed else math.nan


def _high(finalist: Finalist) -> float:
    return finalist.sealed.high if finalist.sealed else math.nan


def _covered(world: World, finalist: Finalist) -> bool:
    return _low(finalist) <= _truth(world, finalist) <= _high(finalist)


def _holds(estimate: Estimate, truth: float) -> bool:
    return estimate.low <= truth <= estimate.high


def _best_is_tied(world: World, result: StudyResult) -> bool:
    best = min(_truth(world, one) for one in result.finalists)
    return any(one.tied_with_best and _truth(world, one) == best for one in result.finalists)


def _stderr(values: Sequence[float]) -> float:
    return statistics.stdev(values) / math.sqrt(len(values))


def text(found: dict[str, dict[str, float]], studies: int) -> str:
    """Return the figures as a page."""
    lines = [
        f"The verdict on {studies} simulated studies for each setting: real search code, scores",
        "of real trials (benchmarks/verdict.py).  Shares in per cent, ± one standard error.",
        "",
    ]
    lines.append(f"{'':46}" + "".join(f"{name:>20}" for name in found))
    for title, name, percent in ROWS:
        cells = (_cell(one[name], one[f"{name}_stderr"], percent) for one in found.values())
        lines.append(f"{title:46}" + "".join(f"{cell:>20}" for cell in cells))
    return "\n".join(lines) + "\n"


ROWS = (
    ("sealed 95 % interval covers: every finalist", "finalists_covered", True),
    ("  the winner", "winner_covered", True),
    ("  the winner is worse than its interval says", "winner_worse_than_told", True),
    ("  the search's own interval, of its best", "search_best_interval_covered", True),
    ("optimism of the search's best: as told", "search_best_optimism_told", False),
    ("  in truth", "search_best_optimism_true", False),
    ("  told minus true", "search_best_optimism_error", False),
    ("winner minus default: interval covers", "difference_covered", True),
    ("  worse by more than the interval says", "worse_than_default_than_told", True),
    ("  winner truly worse than the default", "winner_truly_worse_than_default", True),
    ("  said to be better", "said_better_than_default", True),
    ("  said to be better and is not", "said_better_and_is_not", True),
    ("truly best finalist is tied with the winner", "best_finalist_tied", True),
    ("half width of the winner's interval (MSE)", "interval_half_width", False),
    ("half width of winner minus default (MSE)", "difference_half_width", False),
    ("finalists", "finalists", False),
)


def _cell(value: float, stderr: float, percent: bool) -> str:
    if percent:
        return f"{100 * value:.1f} ± {100 * stderr:.1f}"
    return f"{value:.4f} ± {stderr:.4f}"


if __name__ == "__main__":
    main()
