"""Baselines: promote, list, show, roll back; each version is added and never changed.

A version is what a completed study's best finalist was judged to be: by its gates if it had any,
else by its verdict.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from service.db import baselines, reports, trials
from service.db.states import TrialRole, TrialStatus
from service.db.tables import Baseline, Study
from service.dispatcher.contenders import SealedRun, contender, mean_of, with_pooled_noise
from service.dispatcher.fresh_runs import sealed_run
from service.dispatcher.programs import task_bank
from service.errors import BaselineNotFound, ResultImpossible
from service.operations.banks import gate_bank
from service.operations.lookup import get_result, get_study
from service.wire.baselines import BaselinePage, BaselineView
from service.wire.gate_report import BaselineName
from service.wire.result import StudyResult
from service.wire.spec import StudySpec

OWN_COLUMNS = ("name", "version", "study_id", "created_at")


def promote_study(session: Session, study_id: str, name: str, *, now: datetime) -> BaselineView:
    """Make a completed study's best finalist the next version of a baseline.

    Raises:
        StudyNotFound, ResultNotReady, ResultImpossible: There is nothing to promote.
    """
    result = StudyResult.model_validate(get_result(session, study_id))
    study = get_study(session, study_id)
    best = result.finalists[0] if result.finalists else None
    if best is None or best.sealed is None:
        raise ResultImpossible(f"study {study_id} has no finalist with a sealed score")
    told = "passed" if result.gates and result.gates.passed else "did not pass"
    gates = f", whose gates it {told}" if result.gates else ", without gates"
    origin = f"promoted by hand from study {study_id}{gates}"
    label = add_version(session, study, result, name, origin=origin, now=now)
    return show_baseline(session, name, label.version)


def add_version(
    session: Session, study: Study, result: StudyResult, name: str, *, origin: str, now: datetime
) -> BaselineName:
    """Add the best finalist of `result`, that of `study`, as the next version of a baseline."""
    spec = StudySpec.model_validate(study.spec)
    runs = _fresh_runs(session, study.study_id, spec, result)
    (judged,) = with_pooled_noise([contender(runs)])
    best = result.finalists[0]
    role = TrialRole.CANDIDATE if result.gates else TrialRole.VERDICT
    data = {
        "origin": origin,
        "study_name": study.name,
        "trial_number": best.trial_number,
        "spec_sha256": study.spec_sha256,
        "branch": best.branch,
        "params": best.params,
        "task_distribution": spec.tasks.model_dump(mode="json"),
        "model": spec.model.model_dump(mode="json"),
        "meta_iterations": spec.budget.meta_iterations,
        "first_order_until": spec.pruning.first_order_until,
        "transductive": spec.evaluation.transductive,
        "metric": result.metric,
        "maximize": result.maximize,
        "judged_by": "gates" if result.gates else "verdict",
        "bank": gate_bank(spec, task_bank(spec, role, 0)),
        "tasks": len(judged.by_task),
        "score": mean_of(judged).estimate().model_dump(mode="json"),
        "metrics": result.gates.candidate.metrics if result.gates else best.sealed_metrics,
        "weights_sha256": result.weights_sha256,
        "versions": result.versions,
        "device": result.device,
    }
    scores = [run.scores for run in judged.completed]
    version = baselines.add_version(
        session, name, study_id=study.study_id, data=data, scores=scores, now=now
    )
    return BaselineName(name=name, version=version)


def list_baselines(session: Session) -> BaselinePage:
    """Return the present version of every baseline, by name."""
    rows = baselines.newest_of_each(session)
    return BaselinePage(items=[baseline_view(row) for row in rows])


def list_versions(session: Session, name: str) -> BaselinePage:
    """Return every version of a baseline, newest first.

    Raises:
        BaselineNotFound: There is none of that name.
    """
    rows = baselines.versions_of(session, name)
    if not rows:
        raise _missing(name)
    return BaselinePage(items=[baseline_view(row) for row in rows])


def show_baseline(session: Session, name: str, version: int | None) -> BaselineView:
    """Return one version of a baseline, by default the present one, with its scores by task.

    Raises:
        BaselineNotFound: There is none.
    """
    row = _get(session, name, version)
    return baseline_view(row).model_copy(update={"scores": row.scores})


def roll_back(session: Session, name: str, version: int | None, *, now: datetime) -> BaselineView:
    """Add a version that repeats an older one, by default the one before the present.

    Raises:
        BaselineNotFound: There is no such version, or nothing before the present one.
    """
    present = _get(session, name, None)
    if version is None and present.version == 1:
        raise BaselineNotFound(f"there is no version before {name}@1: nothing to go back to")
    older = _get(session, name, present.version - 1 if version is None else version)
    data = {**older.data, "origin": f"version {older.version} again, after {present.version}"}
    added = baselines.add_version(
        session, name, study_id=older.study_id, data=data, scores=older.scores, now=now
    )
    return show_baseline(session, name, added)


def baseline_view(row: Baseline) -> BaselineView:
    """Return a version without its scores by task."""
    own = {column: getattr(row, column) for column in OWN_COLUMNS}
    return BaselineView.model_validate({**row.data, **own})


def _get(session: Session, name: str, version: int | None) -> Baseline:
    row = baselines.find_baseline(session, name, version)
    if row is None:
        raise _missing(name if version is None else f"{name}@{version}")
    return row


def _missing(label: str) -> BaselineNotFound:
    return BaselineNotFound(f"there is no baseline {label}; `metaopt baseline list` lists them")


def _fresh_runs(
    session: Session, study_id: str, spec: StudySpec, result: StudyResult
) -> list[SealedRun]:
    """Return the fresh trainings that judged the best finalist, those that reached their end."""
    best, full = result.finalists[0], spec.budget.meta_iterations
    rows = [
        row
        for row in trials.trials_of(session, study_id)
        if row.source_trial_number == best.trial_number and row.status == TrialStatus.COMPLETED
    ]
    if result.gates is not None:
        rows = [row for row in rows if row.bank_tasks == result.gates.tasks]
    else:
        rows = [row for row in rows if row.role == TrialRole.VERDICT]
    at_end = reports.reports_at(session, [row.trial_id for row in rows], full)
    return [sealed_run(row, at_end.get(row.trial_id)) for row in rows]
