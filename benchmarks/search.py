"""How many meta-iterations searches need: samplers and pruners on tables of true scores.

    python benchmarks/search.py [--table sinusoid omniglot] [--seeds 50] [--only tpe+asha …]
        [--quick] [--results DIR]

Simulates studies: every decision is the service's (asking, pruning, promotion, which trials a slot
takes next), and training is a look into a table (`benchmarks/search_table.py` makes it): a trial
gets the scores of the grid point nearest to it, of one of two trainings.  Regret is how much worse
than the best point the best completed trial truly is, truly being the mean over all tasks and both
trainings at the last rung.

Reported for each sampler and pruner: after which share of random search's meta-iterations its
median regret over the seeds is as low as random search's at the end.
"""

import argparse
import itertools
import json
import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from service.db.states import StudyStatus, TrialStatus
from service.dispatcher import asking
from service.dispatcher.loading import branch_states
from service.dispatcher.outcomes import LaneOutcome, judge_report
from service.dispatcher.rungs import next_rung
from service.dispatcher.state import Leader, SlotState, StudyState, TrialState, better
from service.dispatcher.work import choose_work
from service.executors.base import LaneReport, SegmentReport, Slot
from service.wire.spec import StudySpec

TABLES = Path(__file__).parent / "tables"
LANES = 8
TRIALS = 60  # that random search trains to the end
CURVE = 200  # points of a regret curve

Json = dict[str, Any]
CONTENDERS = (
    "random+none",
    "tpe+none",
    "random+successive_halving",
    "random+asha",
    "random+race",
    "tpe+successive_halving",
    "tpe+asha",
    "tpe+race",
    "cma-es+asha",
    "qmc+asha",
)
REFERENCE = CONTENDERS[0]


@dataclass(frozen=True)
class Grid:
    """One branch of a table.

    Args:
        names: Of the parameters.
        points: Their values, in the unit cube (points, parameters); `unit` maps there.
        low, high: Of each parameter, in its logarithm if `log`.
        scores: (2, points, rungs, tasks), NaN once diverged.
        diverged_at: (2, points), -1 if not.
    """

    names: list[str]
    points: np.ndarray
    low: np.ndarray
    high: np.ndarray
    log: list[bool]
    scores: np.ndarray
    diverged_at: np.ndarray

    def nearest(self, params: Json) -> int:
        """Return the grid point nearest to a trial's."""
        given = [
            np.log(params[n]) if log else params[n]
            for n, log in zip(self.names, self.log, strict=True)
        ]
        unit = (np.array(given) - self.low) / (self.high - self.low)
        return int(((self.points - unit) ** 2).sum(1).argmin())


@dataclass(frozen=True)
class Table:
    """A table of true scores; see `benchmarks/search_table.py`."""

    spec: Json
    rungs: list[int]
    grids: dict[str, Grid]
    maximize: bool

    def truth(self, branch: str, point: int) -> float:
        """Return the score that a point truly has; the worst of all if it diverges."""
        return float(self._truths[branch][point])

    @property
    def _truths(self) -> dict[str, np.ndarray]:
        return _truths_of(self)

    def best(self) -> float:
        """Return the best true score of all."""
        every = np.concatenate(list(self._truths.values()))
        return float(every.max() if self.maximize else every.min())

    def __hash__(self) -> int:
        """Return what tells this object from others."""
        return id(self)


@cache
def _truths_of(table: Table) -> dict[str, np.ndarray]:
    truths = {name: grid.scores[:, :, -1].mean((0, 2)) for name, grid in table.grids.items()}
    every = np.concatenate(list(truths.values()))
    worst = np.nanmin(every) if table.maximize else np.nanmax(every)
    return {name: np.where(np.isnan(one), worst, one) for name, one in truths.items()}


def load(name: str) -> Table:
    """Return the table of that name."""
    with np.load(TABLES / f"{name}.npz") as arrays:
        spec = json.loads(str(arrays["spec"]))
        grids = {
            branch: _grid(arrays, branch, spec["branches"][branch]) for branch in spec["branches"]
        }
        rungs = [int(rung) for rung in arrays["rungs"]]
    return Table(spec, rungs, grids, maximize=spec["tasks"]["kind"] == "omniglot")


def _grid(arrays: Any, branch: str, spec: Json) -> Grid:
    names = list(spec["grid"])
    log = [isinstance(spec["grid"][name][0], float) for name in names]
    columns = [
        np.log(arrays[f"{branch}/{n}"]) if is_log else arrays[f"{branch}/{n}"]
        for n, is_log in zip(names, log, strict=True)
    ]
    values = np.stack(columns, 1).astype(np.float64)
    low, high = values.min(0), values.max(0)
    return Grid(
        names, (values - low) / (high - low), low, high, log,
        arrays[f"{branch}/scores"].astype(np.float32), arrays[f"{branch}/diverged_at"],
    )  # fmt: skip


def study_spec(table: Table, contender: str, seed: int) -> StudySpec:
    """Return the study that a contender runs on a table."""
    sampler, pruner = contender.split("+")
    branches = []
    for algorithm, branch in table.spec["branches"].items():
        space: Json = dict(branch["fixed"])
        for name, values in branch["grid"].items():
            is_log = isinstance(values[0], float)
            space[name] = {"low": min(values), "high": max(values), "log": is_log}
        branches.append({"algorithm": algorithm, "space": space})
    return StudySpec.model_validate(
        {
            "name": contender,
            "seed": seed,
            "tasks": table.spec["tasks"],
            "model": table.spec["model"],
            "branches": branches,
            "search": {"sampler": sampler, "startup_trials": 10},
            "pruning": {"kind": pruner, "rungs": table.rungs[1:-1] if pruner != "none" else None},
            "budget": {"trials": 2000, "meta_iterations": table.rungs[-1]},
            "evaluation": table.spec["bank"],
        }
    )


def simulate(table: Table, spec: StudySpec, most: int) -> Iterator[tuple[int, float]]:
    """Yield (meta-iterations spent, regret) after each segment until `most` are spent.

    There is a slot for each branch; they take turns, a segment each.
    """
    study = StudyState(
        "s", spec, datetime.now(UTC), StudyStatus.RUNNING, branch_states(spec, {}, [])
    )
    slots = [SlotState(Slot(f"cpu:{i}", "cpu")) for i in range(len(spec.branches))]
    spent, best = 0, math.inf  # as the search sees it
    regret = math.inf
    for slot in itertools.cycle(slots):
        lanes = _lanes(study, slot, len(slots))
        if not lanes and not any(other.lanes for other in slots):
            return
        outcomes, cost = _segment(table, study, lanes) if lanes else ([], 0)
        spent += cost
        for one in outcomes:
            _apply(study, one)
            if one.status == TrialStatus.COMPLETED and one.score is not None:
                seen = -one.score if table.maximize else one.score
                if seen < best:
                    best, regret = seen, _regret(table, one.trial)
        slot.lanes = [trial for trial in lanes if trial.status == TrialStatus.RUNNING]
        slot.study_id = study.study_id
        yield spent, regret
        if spent >= most:
            return


def _segment(
    table: Table, study: StudyState, lanes: list[TrialState]
) -> tuple[list[LaneOutcome], int]:
    """Return what became of the lanes, and how many meta-iterations they took."""
    rungs = study.rungs(lanes[0].group.role)
    iterations = min(next_rung(t.meta_iteration, rungs) - t.meta_iteration for t in lanes)
    ages = [trial.meta_iteration for trial in lanes]
    reports = [_train(table, study, trial, iterations) for trial in lanes]
    report = SegmentReport(reports, 1.0, 1.0, 0.0, 1, "CPU")
    cost = sum(one.meta_iteration - age for one, age in zip(reports, ages, strict=True))
    return judge_report(study, lanes, report, iterations), cost


def _regret(table: Table, trial: TrialState) -> float:
    branch = trial.group.branch
    point = table.grids[branch].nearest(trial.params)
    return abs(table.truth(branch, point) - table.best())


def _lanes(study: StudyState, slot: SlotState, slots: int) -> list[TrialState]:
    work = choose_work([study], slot, slots=slots, lanes=LANES)
    if work is None:
        return []
    asked = [one.trial for one in asking.ask(study, work.branch, work.ask)] if work.branch else []
    study.add(asked)
    group = work.group or asked[0].group
    lanes = [*work.keep, *work.admit, *(trial for trial in asked if trial.group == group)]
    for trial in lanes:
        trial.status = TrialStatus.RUNNING
    return lanes


def _train(table: Table, study: StudyState, trial: TrialState, iterations: int) -> LaneReport:
    grid = table.grids[trial.group.branch]
    point, seed = grid.nearest(trial.params), trial.seed % len(grid.scores)
    age = trial.meta_iteration + iterations
    diverged_at = int(grid.diverged_at[seed, point])
    if 0 <= diverged_at <= age:
        return LaneReport(trial.trial_id, diverged_at, diverged_at=diverged_at, cause="table")
    if age not in study.rungs(trial.group.role):
        return LaneReport(trial.trial_id, age)
    scores = grid.scores[seed, point, table.rungs.index(age)].astype(float).tolist()
    return LaneReport(trial.trial_id, age, scores=scores, diverged_share=0.0, curve=[0.0])


def _apply(study: StudyState, one: LaneOutcome) -> None:
    """Do in memory what the ledger does after its commit."""
    trial, place = one.trial, (one.trial.group.branch, one.lane.meta_iteration)
    trial.meta_iteration, trial.status = one.lane.meta_iteration, one.status
    if one.score is not None:
        trial.score = one.score
        study.rung_scores.setdefault(place, {})[trial.trial_number] = one.score
        leader = Leader(one.score, one.lane.scores or [])
        study.leaders[place] = better(
            study.leaders.get(place), leader, maximize=study.spec.maximize()
        )
    if one.status != TrialStatus.RUNNING:
        outcome = "paused" if one.status == TrialStatus.QUEUED else str(one.status)
        search = study.branches[trial.group.branch].search
        known = {
            rung: scores[trial.trial_number]
            for (branch, rung), scores in study.rung_scores.items()
            if branch == trial.group.branch and trial.trial_number in scores
        }
        search.tell(trial.trial_number, outcome, one.score, one.lane.meta_iteration, known)


def curve(table: Table, contender: str, seed: int, most: int) -> np.ndarray:
    """Return the regret after each of `CURVE` equal parts of `most` meta-iterations."""
    regrets = np.full(CURVE, np.inf)
    for spent, regret in simulate(table, study_spec(table, contender, seed), most):
        regrets[min(CURVE, max(0, -(-spent * CURVE // most) - 1)) :] = regret
    return regrets


def share_of_random(curves: np.ndarray, reference: np.ndarray) -> float | None:
    """Return after which share of the budget the median regret is the reference's last one.

    Args:
        curves, reference: (seeds, CURVE).
    """
    goal = float(np.median(reference[:, -1]))
    there = np.flatnonzero(np.median(curves, axis=0) <= goal)
    return float((there[0] + 1) / CURVE) if len(there) else None


def main() -> None:
    """Print the table, and write it if asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--table", nargs="+", default=["sinusoid", "omniglot"])
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--only", nargs="+", default=list(CONTENDERS), metavar="CONTENDER")
    parser.add_argument("--quick", action="store_true", help="three seeds")
    parser.add_argument("--results", type=Path, help="write search.json there")
    options = parser.parse_args()
    seeds = range(3 if options.quick else options.seeds)
    results: dict[str, dict[str, float | None]] = {}
    for name in options.table:
        table = load(name)
        most = TRIALS * table.rungs[-1]
        found = {}
        for contender in dict.fromkeys([REFERENCE, *options.only]):
            found[contender] = np.stack([curve(table, contender, seed, most) for seed in seeds])
            share = share_of_random(found[contender], found[REFERENCE])
            results.setdefault(name, {})[contender] = share
            last = statistics.median(found[contender][:, -1])
            told = "never" if share is None else f"{share:.0%}"
            print(f"{name:10} {contender:28} {told:>6}   regret at the end {last:.4f}", flush=True)
    if options.results:
        options.results.mkdir(parents=True, exist_ok=True)
        (options.results / "search.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
