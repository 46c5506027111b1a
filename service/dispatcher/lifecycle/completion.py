"""Completion: a study's last transaction: result, weights, gates' answers, a promoted baseline."""

import hashlib

import structlog

from service.blobs.base import BlobDamaged
from service.db import baselines, study_progress, trials
from service.db.access.projects import within
from service.db.roles import ROLES, roles_where
from service.db.states import TrialStatus
from service.db.tables import Study, Trial
from service.db.weights import add_weights
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.store.entries import Entry
from service.operations.promote import add_version
from service.wire.views.gate_report import GateReport
from service.wire.views.result import StudyResult

log = structlog.get_logger("dispatcher")


def complete(
    entry: Entry, store: CheckpointStore, result: StudyResult, gates: GateReport | None
) -> bool:
    """Complete the study; False if it is no longer running."""
    study_id = entry.study.study_id
    if not study_progress.complete_study(entry.session, study_id, now=entry.now):
        return False
    row = entry.session.get_one(Study, study_id)
    last = {
        "weights_sha256": _keep_weights(entry, store, result),
        "gates": gates,
        "device_seconds": result.device_seconds
        + trials.device_seconds(entry.session, study_id, roles_where(bank="gates")),
    }
    result = result.model_copy(update=last)
    if gates is not None and gates.passed and entry.study.spec.gates.promote == "pass":
        result = result.model_copy(update={"gates": _promoted(entry, row, result, gates)})
    study_progress.save_result(entry.session, study_id, result.model_dump(mode="json"))
    _add_events(entry, result)
    return True


def _add_events(entry: Entry, result: StudyResult) -> None:
    best, gates = result.finalists[0], result.gates
    assert best.sealed is not None
    if gates is not None:
        answers = {answer.rule: answer.answer for answer in gates.answers}
        entry.event("gates_passed" if gates.passed else "gate_failed", {"answers": answers})
    if gates is not None and gates.promoted is not None:
        entry.event("baseline_promoted", gates.promoted.model_dump(mode="json"))
    winner = {"trial_number": best.trial_number, "score": best.sealed.score}
    entry.event("study_completed", winner)


def _keep_weights(entry: Entry, store: CheckpointStore, result: StudyResult) -> str | None:
    """Keep the model of the winner's first fresh training that reached its end."""
    best = result.finalists[0].trial_number
    for row in trials.trials_of(entry.session, entry.study.study_id):
        of_best = ROLES[row.role].leaves == "model" and row.source_trial_number == best
        if of_best and row.status == TrialStatus.COMPLETED:
            content = _model_of(row, store)
            if content is not None:
                return add_weights(entry.session, content, now=entry.now)
    return None  # trained before models were kept, or the files are gone: no reason to fail


def _model_of(row: Trial, store: CheckpointStore) -> bytes | None:
    """The model file that a trial left, if it is there as it was written.

    Raises:
        OSError: The machine does not let it be read.
    """
    if row.checkpoint is None:
        return None
    try:
        content = store.read(row.checkpoint)
    except BlobDamaged as error:
        log.error("model_lost", study_id=row.study_id, trial_id=row.trial_id, cause=str(error))
        return None
    if hashlib.sha256(content).hexdigest() != row.checkpoint_sha256:
        log.error("model_lost", study_id=row.study_id, trial_id=row.trial_id, cause="other bytes")
        return None
    return content


def _promoted(entry: Entry, row: Study, result: StudyResult, gates: GateReport) -> GateReport:
    """The report with the version that the candidate has become, or why it has not.

    What it was compared with must still be the present version: somebody may have promoted another
    meanwhile, or rolled back.
    """
    name, session = entry.study.spec.gates.baseline_name(), entry.session
    assert name is not None
    lost = sum(run.status != "completed" for run in gates.candidate.runs)
    if lost:
        why = f"{lost} of its {len(gates.candidate.runs)} fresh trainings did not reach their end"
        return gates.model_copy(update={"not_promoted": why})
    with within(session, row.project):
        present = baselines.find_baseline(session, name)
    compared = gates.baseline_name
    if (present.version if present else None) != (compared.version if compared else None):
        assert present is not None
        why = f"{name} is at version {present.version} by now, and the candidate was compared with "
        why += f"version {compared.version}" if compared else "none"
        return gates.model_copy(update={"not_promoted": why})
    origin = f"passed the gates of study {row.study_id}"
    with within(session, row.project):
        label = add_version(session, row, result, name, origin=origin, now=entry.now)
    return gates.model_copy(update={"promoted": label})
