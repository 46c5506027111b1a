"""Rows as the wire shows them."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Pool
from sqlalchemy.orm import Session

from metaopt.goals import Goals
from service.db import segments, spending, studies, trials
from service.db.best_trials import Best, best_trials
from service.db.roles import ROLES
from service.db.states import StudyStatus, TrialStatus
from service.db.tables import Ask, Event, Report, Spending, Study, Trial
from service.operations.specs.stored import Told, stored_warnings, told_of
from service.operations.waiting import left_of, waits
from service.wire.spec.kept import Kept
from service.wire.spec.space import Branch
from service.wire.spec.stored import LONGEST_KEPT, MOST_KEPT
from service.wire.views.studies import (
    AskView,
    BestTrial,
    BranchView,
    EventView,
    ReportView,
    SpentView,
    StudyView,
    TrialView,
    View,
)

_Completed = Kept[tuple[str, int], StudyView]
"""Views of completed studies by id and version, which are made once: nothing of them changes any
more, but how often their sealed tasks were looked at, also by other studies, which is read each
time.  Who is extended runs again, and has another version when it is completed once more.
"""

_COUNTED_AS = frozenset(role.counted_as for role in ROLES.values())
_NONE_YET = {str(status): 0 for status in TrialStatus}

_completed: WeakKeyDictionary[Pool, _Completed] = WeakKeyDictionary()  # by database


def study_views(session: Session, rows: Sequence[Study]) -> list[StudyView]:
    """Studies with their counts and best trials, in a few queries for all of them.

    Those of completed studies are kept, some kilobytes each, for whoever looks at them again.
    """
    pool = session.get_bind().engine.pool
    kept = _completed.setdefault(pool, Kept(MOST_KEPT, LONGEST_KEPT))
    found = {row.study_id: kept.get((row.study_id, row.version)) for row in rows}
    views = {study_id: view for study_id, view in found.items() if view is not None}
    others = [row for row in rows if row.study_id not in views]
    for row, view in zip(others, _views(session, others), strict=True):
        views[row.study_id] = view
        if row.status == StudyStatus.COMPLETED:
            kept.keep((row.study_id, row.version), view, len(json.dumps(row.spec)))
    return _looked_at(session, rows, [views[row.study_id] for row in rows])


def study_view_once(session: Session, row: Study) -> StudyView:
    """The study as `study_views` has it, but not kept: for who looks at each study just once."""
    return _looked_at(session, [row], _views(session, [row]))[0]


def _looked_at(
    session: Session, rows: Sequence[Study], views: Sequence[StudyView]
) -> list[StudyView]:
    """The views with how often the sealed tasks of their studies were looked at by now."""
    looks = studies.looks_at(session, {row.sealed_bank for row in rows if row.sealed_bank})
    return [
        view.model_copy(update={"sealed_looks": looks.get(row.sealed_bank or "", row.sealed_looks)})
        for row, view in zip(rows, views, strict=True)
    ]


def _views(session: Session, rows: Sequence[Study]) -> list[StudyView]:
    if not rows:
        return []
    told = {row.study_id: told_of(row) for row in rows}
    counts: dict[str, list[studies.Count]] = defaultdict(list)
    for count in studies.count_trials(session, list(told)):
        counts[count.study_id].append(count)
    best = _best_trials(session, told, counts)
    busy = segments.busy_shares(session, list(told))
    spent = spending.spending_of(session, list(told))
    queued = waits(session, rows)
    limited = [one for one, known in told.items() if any(map(_limit, known.spec.branches))]
    seconds = trials.branch_seconds(session, limited) if limited else {}
    return [
        _study_view(
            row,
            told[row.study_id],
            counts[row.study_id],
            best,
            seconds,
            busy_share=busy.get(row.study_id),
            spent=spent.get(row.study_id),
            waits=queued.get(row.study_id),
        )
        for row in rows
    ]


def _best_trials(
    session: Session, told: Mapping[str, Told], counts: Mapping[str, list[studies.Count]]
) -> dict[tuple[str, str], Best]:
    """The best trial by study and branch, in one round of queries for all with the same goals."""
    rounds: dict[tuple[object, ...], tuple[Goals, list[studies.Count]]] = {}
    for study_id, one in told.items():
        goals = one.goals
        same = goals.maximize, *goals.bounds.items()
        rounds.setdefault(same, (goals, []))[1].extend(counts[study_id])
    return {
        (best.trial.study_id, best.trial.branch): best
        for goals, compared in rounds.values()
        for best in best_trials(session, compared, goals=goals)
    }


def trial_view(row: Trial) -> TrialView:
    """The trial."""
    return TrialView.model_validate(_fields(TrialView, row))


def report_view(row: Report, *, with_scores: bool) -> ReportView:
    """The report, with one score for each task of the bank only if asked for."""
    fields = _fields(ReportView, row, tasks=len(row.scores))
    return ReportView.model_validate(fields if with_scores else {**fields, "scores": None})


def ask_view(row: Ask, scores: Mapping[int, float]) -> AskView:
    """The entry of the log; `scores` are its trial's, by meta-iteration."""
    told_at = -1 if row.meta_iteration is None else row.meta_iteration
    scores_then = {rung: score for rung, score in scores.items() if rung <= told_at}
    fields = {name: getattr(row, name) for name in AskView.model_fields if name != "scores"}
    return AskView.model_validate({**fields, "scores": scores_then})


def event_view(row: Event) -> EventView:
    """The event."""
    return EventView.model_validate(_fields(EventView, row))


def _study_view(
    row: Study,
    told: Told,
    counts: list[studies.Count],
    best: Mapping[tuple[str, str], Best],
    seconds: Mapping[tuple[str, str], float],
    *,
    spent: Spending | None,
    **columns: Any,
) -> StudyView:
    search = [count for count in counts if ROLES[count.role].told_to_sampler]
    branches = {branch.name: branch for branch in told.spec.branches}
    begun = {name: sum(c.trials for c in search if c.branch == name) for name in branches}
    ended_by = spent.ended_by if spent else None
    derived: dict[str, Any] = {
        "spec": told.spec,
        "metric": told.metric,
        "maximize": told.maximize,
        **_counted(counts),
        "branches": {
            name: BranchView(
                trials=begun[name],
                best=_best(best.get((row.study_id, name))),
                device_seconds=None
                if _limit(branch) is None
                else seconds.get((row.study_id, name), 0.0),
            )
            for name, branch in branches.items()
        },
        "warnings": [
            *(stored_warnings(row.spec, begun) if ended_by else told.warnings),
            *(row.warnings or []),
        ],
        "spent": _spent(sum(c.trials for c in counts if ROLES[c.role].paid_by_search), spent),
        "search_ended_by": ended_by,
        "plugins": row.plugins or [],
        "seconds_left": left_of(told.spec, counts, spent) if row.status == "running" else None,
        **columns,
    }
    own = (name for name in StudyView.model_fields if name not in derived)
    return StudyView.model_validate({**{name: getattr(row, name) for name in own}, **derived})


def _limit(branch: Branch) -> float | None:
    return branch.device_seconds


def _counted(counts: Sequence[studies.Count]) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {field: dict(_NONE_YET) for field in _COUNTED_AS}
    for count in counts:
        counted[ROLES[count.role].counted_as][count.status] += count.trials
    return counted


def _spent(trials: int, row: Spending | None) -> SpentView:
    return SpentView(
        trials=trials,
        wall_seconds=row.wall_seconds if row else 0.0,
        device_seconds=row.device_seconds if row else 0.0,
        meta_iterations=row.meta_iterations if row else 0,
    )


def _best(best: Best | None) -> BestTrial | None:
    if best is None:
        return None
    at_rung = {name: getattr(best, name) for name in ("rung", "score", "score_stderr")}
    return BestTrial.model_validate(_fields(BestTrial, best.trial, **at_rung))


def _fields(view: type[View], row: object, **others: Any) -> dict[str, Any]:
    return {n: others[n] if n in others else getattr(row, n) for n in view.model_fields}
