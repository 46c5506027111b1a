"""Settling: what a study does once its trials have ended.

    trials that wait in vain ──▶ pruned
    all points tried, the best not known ──▶ replicas (`service.dispatcher.selection.replicas`)
    search ended ──▶ verdict trials ──ended──▶ (what gates compare) ──▶ completed, with a result
         └─▶ failed: no trial completed   └─▶ failed: no fresh training completed

Each step is one fenced transaction and a compare-and-set on the study, because a user may have
paused or cancelled it in the meantime; then nothing is written.
"""

import structlog
from sqlalchemy.orm import Session

from service.db import reports, segments, spending, study_progress, trials
from service.db.engine import reading
from service.db.roles import ROLES, TrialRole
from service.db.states import StudyStatus, TrialStatus
from service.db.tables import Report, Study, Trial
from service.dispatcher.lifecycle import completion, gate_phase
from service.dispatcher.pruning import pauses
from service.dispatcher.scheduler.budget import common_rung
from service.dispatcher.selection import replicas
from service.dispatcher.selection.candidates import (
    broken_candidates,
    pareto_trials,
    why_nothing_is_feasible,
)
from service.dispatcher.selection.fresh_trials import candidates, fresh_finalists
from service.dispatcher.selection.replicas import next_replicas
from service.dispatcher.state import StudyState, TrialState
from service.dispatcher.store import entries
from service.dispatcher.store.entries import Entry
from service.dispatcher.store.ledger import Ledger
from service.judgement.estimates import SealedRun
from service.judgement.finalists import borderline
from service.judgement.verdict import Defaults, SearchTrial, study_result
from service.operations.fresh_runs import sealed_run
from service.versions import versions
from service.wire.views.result import SearchCost, StudyResult

log = structlog.get_logger("dispatcher")


def settle(ledger: Ledger, study: StudyState) -> None:
    """Take the study's next step, if it is at one."""
    if study.status != StudyStatus.RUNNING:
        return
    if hopeless := pauses.never_promotable(study):
        ledger.end_queued(study, hopeless, TrialStatus.PRUNED)
    if not study.search_ended() or study.open_trials():
        return
    if study.of_role(TrialRole.VERDICT):
        _judge(ledger, study)
    elif again := next_replicas(study, _exploded(ledger, study)):
        _begin_replicas(ledger, study, again)
    else:
        _begin_verdict(ledger, study)


def fail(ledger: Ledger, study: StudyState, error: str) -> None:
    """Fail a study that cannot go on."""
    with ledger.entry(study) as entry:
        failed = _write_failure(entry, error)
    if failed:
        study.status = StudyStatus.FAILED
        log.error("study_failed", study_id=study.study_id, error=error)


def _begin_replicas(ledger: Ledger, study: StudyState, again: list[TrialState]) -> None:
    sources = [trial.source_trial_number for trial in again]
    with ledger.entry(study) as entry:
        begun = study_progress.begin_replicas(entry.session, study.study_id, version=study.version)
        if not begun:
            return
        for trial in again:
            entries.add_trial(entry, trial, None)
        entry.event("replicas_started", {"trial_numbers": sources})
    study.add(again)
    study.version += 1
    log.info("replicas_started", study_id=study.study_id, trial_numbers=sources)


def _exploded(ledger: Ledger, study: StudyState) -> set[int]:
    """Return the trials trained again that diverged on a task of the bank, once or more."""
    source = replicas.source_of(study)
    if not source or study.search_ended_by is not None:
        return set()
    with reading(ledger.engine) as session:
        at_end = reports.reports_at(session, list(source), study.spec.budget.meta_iterations)
        return {source[i] for i, report in at_end.items() if report.diverged_share > 0.0}


def _begin_verdict(ledger: Ledger, study: StudyState) -> None:
    fresh = fresh_finalists(study, _borderline_scores(ledger, study))
    if not fresh:
        why = why_nothing_is_feasible(study)
        fail(ledger, study, why or _why_nothing_completed(study.points()))
        return
    named = (trial.source_trial_number for trial in fresh)
    sources = list(dict.fromkeys(number for number in named if number is not None))
    with ledger.entry(study) as entry:
        if not study_progress.begin_verdict(entry.session, study.study_id, version=study.version):
            return
        if study.search_ended_by is None:
            spending.save_end(entry.session, study.study_id, "trials")
        for trial in fresh:
            entries.add_trial(entry, trial, None)
        entry.event("verdict_started", {"trial_numbers": sources})
    study.add(fresh)
    study.search_ended_by = study.search_ended_by or "trials"
    study.version += 1
    log.info("verdict_started", study_id=study.study_id, trial_numbers=sources)


def _borderline_scores(ledger: Ledger, study: StudyState) -> dict[int, list[float]]:
    verdict, rung = study.spec.verdict, _judged_at(study)
    numbers = borderline(candidates(study), count=verdict.finalists, extra=verdict.extra_finalists)
    with reading(ledger.engine) as session:
        trainings = {number: replicas.trainings(study, number) for number in numbers}
        ids = [trial.trial_id for some in trainings.values() for trial in some]
        at_end = reports.reports_at(session, ids, rung)
        return {
            n: replicas.by_task([at_end[trial.trial_id].scores for trial in some])
            for n, some in trainings.items()
        }


def _judge(ledger: Ledger, study: StudyState) -> None:
    fresh: gate_phase.Fresh | None = None
    with ledger.entry(study) as entry:
        result = _result(entry)
        if all(finalist.sealed is None for finalist in result.finalists):
            cause = _why_nothing_completed(study.of_role(TrialRole.VERDICT))
            error, status = f"the verdict has no score: {cause}", StudyStatus.FAILED
            moved = _write_failure(entry, error, result)
        else:
            error, status = None, StudyStatus.COMPLETED
            step = gate_phase.next_step(entry.session, study, result) if _has_gates(study) else None
            if isinstance(step, gate_phase.Fresh):
                fresh = step if _begin_gates(entry, step) else None
                moved = False
            else:
                moved = completion.complete(entry, ledger.store, result, step)
    if fresh is not None:
        study.add(fresh.trials)
        study.version += 1
    if moved:
        study.status = status
        log.info("study_ended", study_id=study.study_id, status=str(status), error=error)


def _has_gates(study: StudyState) -> bool:
    return bool(study.spec.gates.rules)


def _begin_gates(entry: Entry, fresh: gate_phase.Fresh) -> bool:
    study = entry.study
    if not study_progress.begin_gates(entry.session, study.study_id, version=study.version):
        return False
    for trial in fresh.trials:
        entries.add_trial(entry, trial, None)
    entry.event("gates_looking", {"tasks": fresh.tasks, "trials": len(fresh.trials)})
    log.info("gates_looking", study_id=study.study_id, tasks=fresh.tasks)
    return True


def _write_failure(entry: Entry, error: str, result: StudyResult | None = None) -> bool:
    moved = study_progress.fail_study(
        entry.session,
        entry.study.study_id,
        error,
        result=result.model_dump(mode="json") if result else None,
        now=entry.now,
    )
    if moved:
        entry.event("study_failed", {"error": error})
    return moved


def _why_nothing_completed(ended: list[TrialState]) -> str:
    counts = {
        status: sum(1 for trial in ended if trial.status == status)
        for status in (
            TrialStatus.DIVERGED,
            TrialStatus.FAILED,
            TrialStatus.PRUNED,
            TrialStatus.CANCELLED,
        )
    }
    listed = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
    causes = [trial.cause for trial in ended if trial.cause]
    first = f"; the first of them: {causes[0]}" if causes else ""
    return f"no trial completed ({listed}){first}"


def _result(entry: Entry) -> StudyResult:
    study, session = entry.study, entry.session
    rows = trials.trials_of(session, study.study_id)
    search = [row for row in rows if ROLES[row.role].told_to_sampler]
    verdict = [row for row in rows if row.role == TrialRole.VERDICT]
    finalists = {row.source_trial_number for row in verdict}
    again = [row for row in rows if row.role == TrialRole.REPLICA]
    chosen = [row for row in search if row.trial_number in finalists]
    chosen += [row for row in again if row.source_trial_number in finalists]
    full, judged_at = study.spec.budget.meta_iterations, _judged_at(study)
    at_end = reports.reports_at(session, [row.trial_id for row in verdict], full)
    at_end |= reports.reports_at(session, [row.trial_id for row in chosen], judged_at)
    runs = [(row, sealed_run(row, at_end.get(row.trial_id))) for row in verdict]
    result = study_result(
        study.spec,
        [
            replicas.averaged(
                _search_trial(row, at_end.get(row.trial_id)),
                [
                    _search_trial(other, at_end.get(other.trial_id))
                    for other in again
                    if other.source_trial_number == row.trial_number
                ],
            )
            for row in search
        ],
        [run for _, run in runs if run.source_trial_number is not None],
        defaults=_defaults([(row, run) for row, run in runs if run.source_trial_number is None]),
        counts=trials.count_trials(session, study.study_id, TrialRole.SEARCH),
        replicas=trials.count_trials(session, study.study_id, TrialRole.REPLICA),
        wall_seconds=_wall_seconds(session, entry),
        busy_share=segments.busy_shares(session, [study.study_id]).get(study.study_id),
        search=_search_cost(study, judged_at),
    )
    known = {
        "pareto": pareto_trials(study),
        "infeasible": len(broken_candidates(study)),
        "versions": versions(),
        "device": ", ".join(segments.devices_of(session, study.study_id)),
    }
    return result.model_copy(update=known)


def _judged_at(study: StudyState) -> int:
    """Return the meta-iteration whose scores chose the finalists."""
    full = study.spec.budget.meta_iterations
    completed = any(trial.status == TrialStatus.COMPLETED for trial in study.points())
    return full if completed else common_rung(study, study.spec.verdict.finalists) or full


def _search_cost(study: StudyState, judged_at: int) -> SearchCost:
    return SearchCost(
        ended_by=study.search_ended_by or "trials",
        wall_seconds=study.spent.wall_seconds,
        device_seconds=study.spent.device_seconds,
        meta_iterations=study.spent.meta_iterations,
        judged_at=judged_at,
    )


def _wall_seconds(session: Session, entry: Entry) -> float:
    started_at = session.get_one(Study, entry.study.study_id).started_at
    return max(0.0, (entry.now - started_at).total_seconds()) if started_at else 0.0


def _defaults(runs: list[tuple[Trial, SealedRun]]) -> Defaults | None:
    if not runs:
        return None
    row = runs[0][0]
    return Defaults(branch=row.branch, params=row.params, runs=[run for _, run in runs])


def _search_trial(row: Trial, report: Report | None) -> SearchTrial:
    return SearchTrial(
        trial_number=row.trial_number,
        branch=row.branch,
        status=row.status,
        params=row.params,
        score=report.score if report else row.score,
        device_seconds=row.device_seconds,
        meta_iterations=row.meta_iteration,
        low=report.low if report else None,
        high=report.high if report else None,
        scores=report.scores if report else [],
        curve=report.curve if report else [],
        metrics=(report.metrics if report else row.metrics) or {},
    )
