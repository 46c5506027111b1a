"""The report of a study: its rows read at one moment, made into data outside the transaction."""

import json
from collections import defaultdict
from datetime import datetime

from pydantic import TypeAdapter, ValidationError
from sqlalchemy.orm import Session

from metaopt.population.model_header import HARDEST, entry
from service.db.reports import find_importances, last_curves, points_of, save_importances
from service.db.roles import TrialRole
from service.db.segments import times_of
from service.db.trials import rows_of
from service.db.weights import find_header
from service.operations.lookup import get_study
from service.operations.views import study_view_once
from service.planning.plan import Plan
from service.plugins.stored import spec_of
from service.report.data import Rows
from service.report.timeline import timeline
from service.wire.views.report import BranchImportances, HardestReport, RungPoint
from service.wire.views.result import StudyResult
from service.wire.views.studies import StudyView, TrialView
from service.wire.views.timeline import Timeline

# Many at once: an object by itself takes ten times as long to make.
_TRIALS = TypeAdapter(list[TrialView])
_POINTS = TypeAdapter(dict[int, list[RungPoint]])
_IMPORTANCES = TypeAdapter(list[BranchImportances] | None)


def read_rows(session: Session, study_id: str) -> Rows:
    """The rows that the study's report is made of.

    Raises:
        StudyNotFound: There is none.
    """
    study = get_study(session, study_id)
    spec = spec_of(study)
    plan = Plan.of(spec)[TrialRole.SEARCH]
    found = points_of(session, study_id, TrialRole.SEARCH)
    tasks_at = {rung: plan.tasks_at(rung) for rung in {point.meta_iteration for point in found}}
    plain: dict[int, list[dict[str, float]]] = defaultdict(list)
    for number, rung, score, low, high in found:
        at_rung = {"meta_iteration": rung, "tasks": tasks_at[rung]}
        plain[number].append({**at_rung, "score": score, "low": low, "high": high})
    result = StudyResult.model_validate(study.result) if study.result else None
    view = study_view_once(session, study)  # the mirror reads every study, and none again
    trials = rows_of(session, study_id, TrialView.model_fields)
    return Rows(
        study=view,
        trials=_TRIALS.validate_python([row._asdict() for row in trials]),
        points=_POINTS.validate_python(plain),
        curves=last_curves(session, study_id, _adapting(view, result)),
        result=result,
        importances=_IMPORTANCES.validate_python(find_importances(session, study_id)),
    )


def read_timeline(session: Session, study_id: str, *, now: datetime) -> Timeline:
    """What the slots did for the study until its end, or till now.

    Raises:
        StudyNotFound: There is none.
    """
    study = get_study(session, study_id)
    return timeline(
        times_of(session, study_id),
        submitted_at=study.created_at,
        started_at=study.started_at,
        ended_at=study.finished_at or now,
    )


def read_hardest(session: Session, result: StudyResult | None) -> HardestReport | str | None:
    """What was hardest for the winner, as its model file says, or why nobody can say.

    None as long as there is no winner.
    """
    if result is None:
        return None
    header = find_header(session, result.weights_sha256)
    if header is None:
        return "no model of a winner is kept"
    text = entry(header, HARDEST)
    if text is None:
        return "the winner's model is of a version that did not say"
    try:
        return HardestReport.model_validate_json(text)
    except ValidationError:
        why = _failed(text) or "the model file is of another version"
        return f"it could not be found out ({why})"


def _failed(text: str) -> str:
    """Why a worker could not say."""
    try:
        return str(json.loads(text)["failed"])
    except (ValueError, LookupError, TypeError):
        return ""


def keep_importances(session: Session, study_id: str, found: list[BranchImportances]) -> None:
    """Keep them for every later report of a study that has ended."""
    save_importances(session, study_id, _IMPORTANCES.dump_python(found, mode="json"))


def _adapting(study: StudyView, result: StudyResult | None) -> list[int]:
    """Trials whose adaptation is shown: the finalists, before them the best of each branch."""
    if result is not None:
        return [finalist.trial_number for finalist in result.finalists]
    return [branch.best.trial_number for branch in study.branches.values() if branch.best]
