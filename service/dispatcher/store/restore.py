"""Restoring: a study's state in memory, rebuilt from its rows; scores become losses here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from metaopt.goals import Goals, Metrics
from metaopt.plugins.described import Needed
from metaopt.search.branches import LogEntry
from metaopt.search.pruning.rule import Leader, contenders
from service.db import asks, reports, spending, trials
from service.db.asks import Logged
from service.db.reports import RungScore
from service.db.roles import ROLES, TrialRole
from service.db.states import StudyStatus, TrialStatus
from service.db.tables import Study
from service.db.trials import Attempted
from service.dispatcher.groups import group_of
from service.dispatcher.scheduler.branch_budgets import reallot
from service.dispatcher.scheduler.budget import Ended, after_all
from service.dispatcher.state import (
    BranchState,
    Place,
    Spent,
    StudyState,
    TrialState,
    keeps_contenders,
    keeps_leaders,
)
from service.dispatcher.store.columns import READ, sums_of, trial_of
from service.planning.branch_search import branch_search
from service.planning.branch_shares import first_budgets
from service.planning.plan import Plan
from service.planning.signatures import changes_program, searches_structure
from service.plugins.known import learn_present
from service.wire.spec.study import StudySpec

_COUNTED = (
    TrialStatus.COMPLETED,
    TrialStatus.PRUNED,
    TrialStatus.DIVERGED,
    TrialStatus.FAILED,
)


def load_study(session: Session, study_id: str) -> StudyState:
    """The study with its trials, scores and searches.

    Raises:
        ValueError: its spec or its log cannot be used.
    """
    row = session.get_one(Study, study_id, populate_existing=True)
    if row.plugins:
        learn_present(session)
    spec = StudySpec.model_validate(row.spec)
    log = asks.log_of(session, study_id)
    scores = reports.rung_scores(session, study_id, TrialRole.SEARCH)
    study = StudyState(
        study_id=study_id,
        plan=Plan.of(spec),
        created_at=row.created_at,
        status=StudyStatus(row.status),
        branches=branch_states(spec, log, scores),
        version=row.version,
        trivial_tasks=reports.trivial_banks(session, study_id),
        needs=tuple(Needed(**one) for one in row.plugins or ()),
    )
    metrics = _rung_metrics(session, study) if study.plan.beyond_score else {}
    to_loss = study.plan.goals.loss
    for branch, number, rung, score, _ in scores:
        known = metrics.get((branch, rung), {}).get(number, {})
        study.stand((branch, rung), number, to_loss(score), known)
    attempts = trials.attempts_of(session, study_id)
    rows = trials.rows_of(session, study_id, READ)
    # After the scores, by which they are sorted: who waits, and who may go on.
    study.add(_trial_state(study, row, attempts.get(row.trial_id, [])) for row in rows)
    _add_spent(session, study, rows)
    if keeps_leaders(study.plan):
        _add_leaders(session, study, scores)
    reallot(study)
    return study


def _rung_metrics(session: Session, study: StudyState) -> dict[Place, dict[int, Metrics]]:
    metrics: dict[Place, dict[int, Metrics]] = {}
    found = reports.rung_metrics(session, study.study_id, TrialRole.SEARCH)
    for branch, number, rung, known in found:
        metrics.setdefault((branch, rung), {})[number] = known
    return metrics


def _add_leaders(session: Session, study: StudyState, scores: Iterable[RungScore]) -> None:
    """Who leads each rung, and who contends; only their scores by task are read."""
    for place, leading in _may_lead(study, scores).items():
        leader = min(leading, key=lambda one: one[:2])
        chosen = contenders(leading) if keeps_contenders(study.plan) else ()
        by_task = _losses_by_task(session, study, place, {leader, *chosen})
        study.leaders[place] = leader._replace(losses=by_task[leader.trial_number])
        if chosen:
            study.contenders[place] = tuple(
                one._replace(losses=by_task[one.trial_number]) for one in chosen
            )


def _may_lead(study: StudyState, scores: Iterable[RungScore]) -> dict[Place, list[Leader]]:
    """The trials that keep the constraints, by rung, without their losses by task."""
    goals, trials = study.plan.goals, defaultdict(list)
    for branch, number, rung, score, trimmed_mean in scores:
        place = branch, rung
        if goals.feasible(study.rung_metrics.get(place, {}).get(number, {})):
            scored = Leader(goals.loss(score), number, (), goals.loss(trimmed_mean))
            trials[place].append(scored)
    return trials


def _losses_by_task(
    session: Session, study: StudyState, place: Place, scored: Iterable[Leader]
) -> dict[int, list[float]]:
    numbers = {study.trials[one.trial_number].trial_id: one.trial_number for one in scored}
    found, to_loss = reports.reports_at(session, list(numbers), place[1]), study.plan.goals.loss
    return {numbers[key]: [to_loss(x) for x in report.scores] for key, report in found.items()}


def _add_spent(session: Session, study: StudyState, rows: Sequence[Any]) -> None:
    sums = spending.find_spending(session, study.study_id)
    spent = Spent()
    if sums is not None:
        spent = Spent(**sums_of(sums))
        study.search_ended_by = sums.ended_by
    ended = [
        Ended(row.finished_at, _loss_at_end(study, row))
        for row in rows
        if ROLES[row.role].told_to_sampler and row.status in _COUNTED and row.finished_at
    ]
    study.spent = study.saved = after_all(spent, ended)


def _loss_at_end(study: StudyState, row: Any) -> float | None:
    if row.status != TrialStatus.COMPLETED or not study.plan.goals.feasible(row.metrics or {}):
        return None
    return _loss(study, row)


def _loss(study: StudyState, row: Any) -> float | None:
    return None if row.score is None else study.plan.goals.loss(row.score)


def branch_states(
    spec: StudySpec, log: dict[str, list[Logged]], scores: Iterable[RungScore]
) -> dict[str, BranchState]:
    """The branches of a spec as the log of their asks and tells left them.

    Args:
        spec: Of the study.
        log: Asks and tells by branch, each in its order.
        scores: Every score of a search trial: a sampler is told all of a trial's with its end.

    Raises:
        InvalidSearch: the log does not fit the spec.
    """
    by_trial: dict[int, dict[int, float]] = {}
    for scored in scores:
        by_trial.setdefault(scored.trial_number, {})[scored.meta_iteration] = scored.score
    return {
        branch.name: _branch_state(spec, position, log.get(branch.name, []), by_trial)
        for position, branch in enumerate(spec.branches)
    }


def log_entry(ask: Logged, scores: Mapping[int, float], goals: Goals) -> LogEntry:
    """A row of the log as the search knows it: in losses.

    Args:
        ask: The row.
        scores: Of its trial, by rung; a tell has those up to where it was told.
    """
    told_at = ask.meta_iteration
    return LogEntry(
        kind="ask" if ask.kind == "ask" else "tell",
        trial_number=ask.trial_number,
        params=ask.params,
        outcome=ask.outcome,
        loss=None if ask.value is None else goals.loss(ask.value),
        meta_iteration=ask.meta_iteration,
        losses={}
        if told_at is None
        else {rung: goals.loss(score) for rung, score in scores.items() if rung <= told_at},
        metrics=ask.metrics,
        random=_is_random(ask),
    )


def _is_random(ask: Logged) -> bool:
    """Whether the sampler had failed."""
    return ask.kind == "ask" and ask.outcome == asks.RANDOM


def _branch_state(
    spec: StudySpec, position: int, log: Sequence[Logged], scores: Mapping[int, Mapping[int, float]]
) -> BranchState:
    branch = spec.branches[position]
    goals = spec.goals()
    entries = (log_entry(ask, scores.get(ask.trial_number, {}), goals) for ask in log)
    search = branch_search(spec, branch, entries)
    return BranchState(
        branch=branch,
        position=position,
        budget=first_budgets(spec)[position],
        structural=searches_structure(branch) or changes_program(spec, branch),
        search=search,
        sequence=log[-1].sequence + 1 if log else 0,
        failure_told=any(_is_random(ask) for ask in log),
    )


def _trial_state(study: StudyState, row: Any, attempts: Sequence[Attempted]) -> TrialState:
    group = group_of(study, row.role, row.branch, row.params, row.meta_iteration)
    return trial_of(row, group, attempts, to_loss=study.plan.goals.loss)
