"""Promoting: a study's best finalist, as it was judged, becomes a version of a baseline."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from metaopt.estimation.limits import interval
from metaopt.goals import Goals
from service.db import baselines
from service.db.roles import ROLES, TrialRole
from service.db.tables import Study
from service.judgement.estimates import Contender, contender, loss_of, own_noise
from service.operations.fresh_runs import latest_runs
from service.planning.banks import gate_bank
from service.planning.signatures import task_bank
from service.plugins.stored import spec_of
from service.wire.spec.space import Branch
from service.wire.spec.study import StudySpec
from service.wire.views.gate_report import BaselineName
from service.wire.views.judged import Estimate
from service.wire.views.result import StudyResult


def add_version(
    session: Session, study: Study, result: StudyResult, name: str, *, origin: str, now: datetime
) -> BaselineName | None:
    """Add the best finalist of `result`, that of `study`, as the next version of a baseline.

    None if none of the fresh trainings that judged it reached its end.
    """
    spec, best = spec_of(study), result.finalists[0]
    role = TrialRole.CANDIDATE if result.gates else TrialRole.VERDICT
    full = spec.budget.meta_iterations
    runs = latest_runs(session, study.study_id, role, best.trial_number, full)
    fresh = contender(runs, spec.goals())
    if not fresh.completed:
        return None
    data = {
        "origin": origin,
        "study_name": study.name,
        "spec_sha256": study.spec_sha256,
        **_of_spec(spec, spec.branch(best.branch)),
        **_of_result(result),
        "bank": gate_bank(spec, task_bank(spec, ROLES[role].bank, 0)),
        "tasks": fresh.tasks,
        "score": _score(result, fresh, spec.goals()).model_dump(mode="json"),
    }
    scores = [run.scores for run in fresh.completed]
    version = baselines.add_version(
        session, name, study_id=study.study_id, data=data, scores=scores, now=now
    )
    return BaselineName(name=name, version=version)


def _of_spec(spec: StudySpec, branch: Branch) -> dict[str, Any]:
    """What a version was trained on, and how."""
    return {
        "task_distribution": spec.tasks.model_dump(mode="json"),
        "model": spec.model_of(branch).model_dump(mode="json"),
        "algorithm": branch.algorithm,
        "meta_iterations": spec.budget.meta_iterations,
        "first_order_until": spec.pruning.first_order_until,
        "selected_at": spec.rungs() if spec.evaluation.keep == "best" else [],
        "transductive": spec.evaluation.transductive,
    }


def _of_result(result: StudyResult) -> dict[str, Any]:
    """Which configuration a version is, and what judged it."""
    best, gates = result.finalists[0], result.gates
    return {
        "trial_number": best.trial_number,
        "branch": best.branch,
        "params": best.params,
        "metric": result.metric,
        "maximize": result.maximize,
        "judged_by": "gates" if gates else "verdict",
        "metrics": gates.candidate.metrics if gates else best.sealed_metrics,
        "weights_sha256": result.weights_sha256,
        "versions": result.versions,
        "device": result.device,
    }


def _score(result: StudyResult, fresh: Contender, goals: Goals) -> Estimate:
    """The score with the interval that the gates, or else the verdict, gave it."""
    if result.gates is not None:
        assert result.gates.candidate.score is not None
        return result.gates.candidate.score
    sealed = result.finalists[0].sealed
    if sealed is None or sealed.stderr is None:  # a verdict of an older version
        own = fresh._replace(noise=own_noise(fresh))
        return Estimate.of(interval(loss_of(own)).scores(goals))
    return Estimate(value=sealed.score, stderr=sealed.stderr, low=sealed.low, high=sealed.high)
