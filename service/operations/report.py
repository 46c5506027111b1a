"""The report of a study: its rows read at one moment, made into data outside the transaction."""

from collections import defaultdict

from sqlalchemy.orm import Session

from service.db.states import TrialRole
from service.db.study_reports import last_curves, points_of
from service.db.trials import trials_of
from service.operations.lookup import get_study
from service.operations.views import study_views, trial_view
from service.planning.fidelity import bank_tasks
from service.report.data import Rows
from service.wire.spec.study import StudySpec
from service.wire.views.report import RungPoint
from service.wire.views.result import StudyResult


def read_rows(session: Session, study_id: str) -> Rows:
    """Return what the study's report is made of.

    Raises:
        StudyNotFound: There is none.
    """
    study = get_study(session, study_id)
    spec = StudySpec.model_validate(study.spec)
    points: dict[int, list[RungPoint]] = defaultdict(list)
    for point in points_of(session, study_id, TrialRole.SEARCH):
        number, meta_iteration, score, low, high = point
        tasks = bank_tasks(spec, meta_iteration)
        points[number].append(
            RungPoint(meta_iteration=meta_iteration, tasks=tasks, score=score, low=low, high=high)
        )
    result = StudyResult.model_validate(study.result) if study.result else None
    finalists = [finalist.trial_number for finalist in (result.finalists if result else [])]
    return Rows(
        study=study_views(session, [study])[0],
        trials=[trial_view(row) for row in trials_of(session, study_id)],
        points=points,
        curves=last_curves(session, study_id, finalists),
        result=result,
    )
