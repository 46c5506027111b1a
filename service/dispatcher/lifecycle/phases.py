"""Phases: what a study does once its trials have ended.

    trials that wait in vain ──▶ pruned
    all points tried, the best not known ──▶ replicas (`service.dispatcher.selection.replicas`)
    search ended ──▶ verdict trials ──ended──▶ (what gates compare) ──▶ completed, with a result
         └─▶ failed: no trial completed   └─▶ failed: no fresh training completed

Each step is one fenced transaction and a compare-and-set on the study, because a user may have
paused or cancelled it in the meantime; then nothing is written.
"""

import structlog

from service.db import spending, study_progress
from service.db.roles import TrialRole
from service.db.states import StudyStatus, TrialStatus
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.lifecycle import completion, gate_phase, verdict_phase
from service.dispatcher.open_trials import EVERY_KIND
from service.dispatcher.pruning import pauses
from service.dispatcher.selection.candidates import why_nothing_is_feasible
from service.dispatcher.selection.fresh_trials import fresh_finalists
from service.dispatcher.selection.replicas import next_replicas
from service.dispatcher.state import StudyState, TrialState
from service.dispatcher.store import entries
from service.dispatcher.store.entries import Entry
from service.dispatcher.store.ledger import Ledger
from service.wire.views.result import StudyResult

log = structlog.get_logger("dispatcher")


def settle(ledger: Ledger, study: StudyState) -> None:
    """Take the study's next step, if it is at one."""
    if study.status != StudyStatus.RUNNING:
        return
    if hopeless := pauses.never_promotable(study):
        ledger.end_queued(study, hopeless, TrialStatus.PRUNED)
    if not study.search_ended() or study.open.count(EVERY_KIND):
        return
    if study.of_role(TrialRole.VERDICT):
        _judge(ledger, study)
    elif replicas := next_replicas(study, verdict_phase.exploded(ledger, study)):
        _begin_replicas(ledger, study, replicas)
    else:
        _begin_verdict(ledger, study)


def fail(ledger: Ledger, study: StudyState, error: str) -> None:
    """Fail a study that cannot go on."""
    if ledger.write(study, lambda entry: _write_failure(entry, error)):
        study.status = StudyStatus.FAILED
        log.error("study_failed", study_id=study.study_id, error=error)


def _begin_replicas(ledger: Ledger, study: StudyState, replicas: list[TrialState]) -> None:
    sources = [trial.source_trial_number for trial in replicas]

    def body(entry: Entry) -> bool:
        begun = study_progress.begin_replicas(entry.session, study.study_id, version=study.version)
        if begun:
            for trial in replicas:
                entries.add_trial(entry, trial, None)
            entry.event("replicas_started", {"trial_numbers": sources})
        return begun

    if not ledger.write(study, body):
        return
    study.add(replicas)
    study.version += 1
    log.info("replicas_started", study_id=study.study_id, trial_numbers=sources)


def _begin_verdict(ledger: Ledger, study: StudyState) -> None:
    fresh = fresh_finalists(study, verdict_phase.borderline_scores(ledger, study))
    if not fresh:
        why = why_nothing_is_feasible(study)
        fail(ledger, study, why or _why_nothing_completed(study.points()))
        return
    named = (trial.source_trial_number for trial in fresh)
    sources = list(dict.fromkeys(number for number in named if number is not None))

    def body(entry: Entry) -> bool:
        if not study_progress.begin_verdict(entry.session, study.study_id, version=study.version):
            return False
        if study.search_ended_by is None:
            spending.save_end(entry.session, study.study_id, "trials")
        for trial in fresh:
            entries.add_trial(entry, trial, None)
        entry.event("verdict_started", {"trial_numbers": sources})
        return True

    if not ledger.write(study, body):
        return
    study.add(fresh)
    study.search_ended_by = study.search_ended_by or "trials"
    study.version += 1
    log.info("verdict_started", study_id=study.study_id, trial_numbers=sources)


def _judge(ledger: Ledger, study: StudyState) -> None:
    judged = ledger.write(study, lambda entry: _write_judgement(entry, ledger.store))
    if judged is None:
        return
    if isinstance(judged, gate_phase.Fresh):
        study.add(judged.trials)
        study.version += 1
        log.info("gates_looking", study_id=study.study_id, tasks=judged.tasks)
    else:
        study.status, error = judged
        log.info("study_ended", study_id=study.study_id, status=str(study.status), error=error)


def _write_judgement(
    entry: Entry, store: CheckpointStore
) -> gate_phase.Fresh | tuple[StudyStatus, str | None] | None:
    """What the gates look at next, or how the study has ended and why; None if it has moved."""
    study = entry.study
    result = verdict_phase.result_of(entry)
    if all(finalist.sealed is None for finalist in result.finalists):
        cause = _why_nothing_completed(study.of_role(TrialRole.VERDICT))
        error = f"the verdict has no score: {cause}"
        return (StudyStatus.FAILED, error) if _write_failure(entry, error, result) else None
    step = gate_phase.next_step(entry.session, study, result) if _has_gates(study) else None
    if isinstance(step, gate_phase.Fresh):
        return step if _begin_gates(entry, step) else None
    completed = completion.complete(entry, store, result, step)
    return (StudyStatus.COMPLETED, None) if completed else None


def _has_gates(study: StudyState) -> bool:
    return bool(study.spec.gates.rules)


def _begin_gates(entry: Entry, fresh: gate_phase.Fresh) -> bool:
    study = entry.study
    if not study_progress.begin_gates(entry.session, study.study_id, version=study.version):
        return False
    for trial in fresh.trials:
        entries.add_trial(entry, trial, None)
    entry.event("gates_looking", {"tasks": fresh.tasks, "trials": len(fresh.trials)})
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
