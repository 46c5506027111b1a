"""Promoting: a study's best finalist, as it was judged, becomes a version of a baseline."""

from datetime import datetime

from sqlalchemy.orm import Session

from service.db import baselines
from service.db.states import TrialRole
from service.db.tables import Study
from service.judgement.estimates import contender, mean_of, seed_noise
from service.operations.fresh_runs import latest_runs
from service.planning.banks import gate_bank
from service.planning.signatures import task_bank
from service.wire.spec.study import StudySpec
from service.wire.views.gate_report import BaselineName
from service.wire.views.result import StudyResult


def add_version(
    session: Session, study: Study, result: StudyResult, name: str, *, origin: str, now: datetime
) -> BaselineName | None:
    """Add the best finalist of `result`, that of `study`, as the next version of a baseline.

    Return None if none of the fresh trainings that judged it reached its end.
    """
    spec, best = StudySpec.model_validate(study.spec), result.finalists[0]
    role = TrialRole.CANDIDATE if result.gates else TrialRole.VERDICT
    full = spec.budget.meta_iterations
    judged = contender(latest_runs(session, study.study_id, role, best.trial_number, full))
    if not judged.completed:
        return None
    judged = judged._replace(noise=seed_noise([judged]))
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
