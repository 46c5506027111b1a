"""The report as data: each part from rows, or the reason why it is absent."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from pydantic import TypeAdapter

from metaopt.errors import in_words
from service.report.importances import branch_importances
from service.report.pareto import pareto
from service.report.stability import AXES, stability_maps
from service.report.standing import ranked
from service.wire.spec.space import Range
from service.wire.spec.study import StudySpec
from service.wire.views.report import (
    AdaptationCurve,
    BranchCost,
    BranchImportances,
    HardestReport,
    LearningCurve,
    RungPoint,
    Slice,
    SlicePoint,
    StudyCost,
    StudyReport,
)
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView, TrialView
from service.wire.views.timeline import Timeline

PARTS = (
    "verdict", "cost_front", "hardest", "pareto", "learning_curves", "slices", "importances",
    "stability", "adaptation", "cost", "timeline",
)  # fmt: skip

log = structlog.get_logger("report")

# Many at once: an object by itself takes ten times as long to make.
_CURVES = TypeAdapter(list[LearningCurve])
_SLICE_POINTS = TypeAdapter(list[SlicePoint])


@dataclass(frozen=True)
class Rows:
    """Rows that a report is made of.

    Args:
        study: The study as the API shows it.
        trials: All its trials by number, those of the verdict too.
        points: Scores at rungs by trial number.
        curves: Adaptation curves on the search's bank by trial number: of the finalists, before
            there are any of the best trial of each branch.
        result: The verdict, if there is one.
        timeline: What the slots did for it, where that was read too.
        hardest: What was hardest for the winner, or why nobody can say; None where nobody asked.
        importances: As they were kept when the study had ended; None where they were not.
    """

    study: StudyView
    trials: Sequence[TrialView]
    points: Mapping[int, Sequence[RungPoint]]
    curves: Mapping[int, list[float]]
    result: StudyResult | None
    timeline: Timeline | None = None
    hardest: HardestReport | str | None = None
    importances: Sequence[BranchImportances] | None = None


def importances_of(rows: Rows) -> list[BranchImportances]:
    """Which parameters mattered, branch by branch; it may take a second."""
    return branch_importances(rows.study.spec, *_searched(rows))


def _searched(rows: Rows) -> tuple[list[TrialView], list[int]]:
    """The trials of the search, and the numbers of those that were scored, best first."""
    search = [trial for trial in rows.trials if trial.role == "search"]
    return search, ranked(search, rows.points, rows.study.spec.goals())


def study_report(rows: Rows, *, now: datetime, parts: Collection[str] = PARTS) -> StudyReport:
    """The report, or `parts` of it: the others are neither made nor called absent."""
    spec = rows.study.spec
    search, order = _searched(rows)
    importances: list[BranchImportances] = []
    failed: dict[str, str] = {}

    def made_of(name: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Exception as error:  # one part that fails must not take the others with it
            log.exception("report_part_failed", study_id=rows.study.study_id, part=name)
            failed[name] = f"it could not be made ({in_words(error)})"
            return None

    if "importances" in parts:
        found = rows.importances
        if found is None:
            found = made_of("importances", lambda: branch_importances(spec, search, order))
        importances = list(found or [])
    mattered = any(branch.parameters for branch in importances)
    makers: dict[str, Callable[[], object]] = {
        "verdict": lambda: rows.result,
        "cost_front": lambda: rows.result.cost_front if rows.result else None,
        "hardest": lambda: rows.hardest if isinstance(rows.hardest, HardestReport) else None,
        "pareto": lambda: pareto(spec, search),
        "learning_curves": lambda: _learning_curves(search, rows.points, order) or None,
        "slices": lambda: _slices(spec, search, rows.points) or None,
        "importances": lambda: importances if mattered else None,
        "stability": lambda: stability_maps(spec, search) or None,
        "adaptation": lambda: _adaptation(rows) or None,
        "cost": lambda: _cost(rows, now),
        "timeline": lambda: rows.timeline if rows.timeline and rows.timeline.slots else None,
    }
    made = {name: made_of(name, makers[name]) if name in parts else None for name in PARTS}
    reasons = _reasons(rows, [branch.reason for branch in importances if branch.reason])
    missing = [name for name in PARTS if name in parts and made[name] is None]
    reasons |= failed
    absent = {name: reasons[name] for name in missing if name in reasons}
    return StudyReport.model_validate(
        {"made_at": now, "study": rows.study, **made, "absent": absent}
    )


def _reasons(rows: Rows, importances: Sequence[str]) -> dict[str, str]:
    study = rows.study
    unscored = "no trial has a score yet" if study.finished_at is None else "no trial has a score"
    waiting = f"the study is {study.status}; finalists are judged when its search has ended"
    ended = f"the study is {study.status} and has no finalists: {study.error or 'by request'}"
    verdict = waiting if study.finished_at is None else ended
    searched = [set(branch.distributions()) for branch in study.spec.branches]
    no_map = f"no branch searches {' or '.join(AXES)}"
    goals = study.spec.goals()
    reasons = {"pareto": "no trial has completed"} if goals.several or goals.bounds else {}
    if rows.result is None or isinstance(rows.hardest, str):
        reasons["hardest"] = rows.hardest if isinstance(rows.hardest, str) else verdict
    return reasons | {
        "verdict": verdict,
        "adaptation": verdict,
        "learning_curves": unscored,
        "slices": unscored if any(searched) else "no branch searches any parameter",
        "importances": "; ".join(importances),
        "stability": "no trial has ended" if any(set(AXES) & s for s in searched) else no_map,
        "cost": "no trial has begun",
    }


def _learning_curves(
    trials: Sequence[TrialView], points: Mapping[int, Sequence[RungPoint]], order: Sequence[int]
) -> list[LearningCurve]:
    by_number = {trial.trial_number: trial for trial in trials}
    return _CURVES.validate_python(
        [
            {
                "trial_number": number,
                "branch": by_number[number].branch,
                "status": by_number[number].status,
                "points": points[number],
            }
            for number in order
        ]
    )


def _slices(
    spec: StudySpec, trials: Sequence[TrialView], points: Mapping[int, Sequence[RungPoint]]
) -> list[Slice]:
    slices = []
    for branch in spec.branches:
        own = [trial for trial in trials if trial.branch == branch.name]
        for name, entry in branch.distributions().items():
            scored = [t for t in own if t.score is not None and name in t.params]
            shown = [_slice_point(t, name, points.get(t.trial_number, ())) for t in scored]
            log = isinstance(entry, Range) and entry.log
            if shown:
                drawn = _SLICE_POINTS.validate_python(shown)
                slices.append(Slice(branch=branch.name, parameter=name, log=log, points=drawn))
    return slices


def _slice_point(trial: TrialView, name: str, points: Sequence[RungPoint]) -> dict[str, object]:
    rung = points[-1].meta_iteration if points else trial.meta_iteration  # it may be past that
    return {
        "trial_number": trial.trial_number,
        "value": trial.params[name],
        "score": trial.score,
        "meta_iteration": rung,
        "status": trial.status,
    }


def _adaptation(rows: Rows) -> list[AdaptationCurve]:
    return [
        AdaptationCurve(
            rank=finalist.rank,
            trial_number=finalist.trial_number,
            branch=finalist.branch,
            search=rows.curves.get(finalist.trial_number),
            sealed=finalist.sealed.curve if finalist.sealed else None,
        )
        for finalist in (rows.result.finalists if rows.result else [])
    ]


def _cost(rows: Rows, now: datetime) -> StudyCost | None:
    study = rows.study
    if not any(trial.started_at for trial in rows.trials):
        return None
    branches = [_branch_cost(branch.name, rows.trials) for branch in study.spec.every_branch()]
    until = study.finished_at or now
    return StudyCost(
        device_seconds=sum(trial.device_seconds for trial in rows.trials),
        wall_seconds=(until - study.started_at).total_seconds() if study.started_at else None,
        busy_share=study.busy_share,
        meta_iterations=sum(branch.meta_iterations for branch in branches),
        branches=branches,
    )


def _branch_cost(name: str, trials: Sequence[TrialView]) -> BranchCost:
    own = [trial for trial in trials if trial.branch == name]
    search = [trial for trial in own if trial.role == "search"]
    return BranchCost(
        branch=name,
        trials=len(search),
        search_seconds=sum(t.device_seconds for t in own if t.role in ("search", "replica")),
        verdict_seconds=sum(t.device_seconds for t in own if t.role == "verdict"),
        meta_iterations=sum(max(t.meta_iteration, t.diverged_at or 0) for t in own),
    )
