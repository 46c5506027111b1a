"""The report of a study: its rows read at one moment, made into data outside the transaction."""

from collections import defaultdict

from sqlalchemy.orm import Session

from service.db.reports import last_curves, points_of
from service.db.roles import TrialRole
from service.db.trials import trials_of
from service.operations.lookup import get_study
from service.operations.stored_specs import stored_spec
from service.operations.views import study_views, trial_view
from service.planning.plan import Plan
from service.report.data import Rows
from service.wire.views.report import RungPoint
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView


def read_rows(session: Session, study_id: str) -> Rows:
    """The rows that the study's report is made of.

    Raises:
        StudyNotFound: There is none.
    """
    study = get_study(session, study_id)
    spec = stored_spec(study.spec)
    plan = Plan.of(spec)[TrialRole.SEARCH]
    points: dict[int, list[RungPoint]] = defaultdict(list)
    for row in points_of(session, study_id, TrialRole.SEARCH):
        number, meta_iteration, score, low, high = row
        tasks = plan.tasks_at(meta_iteration)
        points[number].append(
            RungPoint(meta_iteration=meta_iteration, tasks=tasks, score=score, low=low, high=high)
        )
    result = StudyResult.model_validate(study.result) if study.result else None
    view = study_views(session, [study])[0]
    return Rows(
        study=view,
        trials=[trial_view(row) for row in trials_of(session, study_id)],
        points=points,
        curves=last_curves(session, study_id, _adapting(view, result)),
        result=result,
    )


def _adapting(study: StudyView, result: StudyResult | None) -> list[int]:
    """Trials whose adaptation is shown: the finalists, before them the best of each branch."""
    if result is not None:
        return [finalist.trial_number for finalist in result.finalists]
    return [branch.best.trial_number for branch in study.branches.values() if branch.best]
