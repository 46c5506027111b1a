"""Baselines: promote, list, show, roll back; each version is added and never changed.

A version is what a completed study's best finalist was judged to be: by its gates if it had any,
else by its verdict.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from service.db import baselines
from service.db.tables import Baseline
from service.db.weights import KeptWeights, find_weights
from service.errors import BaselineNotFound, ResultImpossible, WeightsNotFound
from service.operations.lookup import get_result, get_study
from service.operations.promote import add_version
from service.wire.views.baselines import BaselinePage, BaselineView
from service.wire.views.result import StudyResult

OWN_COLUMNS = ("name", "version", "study_id", "created_at")


def promote_study(session: Session, study_id: str, name: str, *, now: datetime) -> BaselineView:
    """Make a completed study's best finalist the next version of a baseline.

    Raises:
        StudyNotFound, ResultNotReady, ResultImpossible: There is nothing to promote.
    """
    result = StudyResult.model_validate(get_result(session, study_id))
    study = get_study(session, study_id)
    origin = f"promoted by hand from study {study_id}, {_gates_of(result)}"
    label = add_version(session, study, result, name, origin=origin, now=now)
    if label is None:
        raise ResultImpossible(
            f"study {study_id} has no fresh training that reached its end: there is nothing to "
            "compare others with"
        )
    return show_baseline(session, name, label.version)


def list_baselines(session: Session) -> BaselinePage:
    """The present version of every baseline, by name."""
    rows = baselines.newest_of_each(session)
    return BaselinePage(items=[baseline_view(row) for row in rows])


def list_versions(session: Session, name: str) -> BaselinePage:
    """Every version of a baseline, newest first.

    Raises:
        BaselineNotFound: There is none of that name.
    """
    rows = baselines.versions_of(session, name)
    if not rows:
        raise _missing(name)
    return BaselinePage(items=[baseline_view(row) for row in rows])


def show_baseline(session: Session, name: str, version: int | None) -> BaselineView:
    """One version of a baseline, by default the present one, with its scores by task.

    Raises:
        BaselineNotFound: There is none.
    """
    row = _get(session, name, version)
    return baseline_view(row).model_copy(update={"scores": row.scores})


def get_weights(session: Session, name: str, version: int | None) -> KeptWeights:
    """The model file of a version, by default the present one.

    Raises:
        BaselineNotFound: There is none.
        WeightsNotFound: It was judged before winners' weights were kept.
    """
    row = _get(session, name, version)
    weights = find_weights(session, baseline_view(row).weights_sha256)
    if weights is None:
        raise WeightsNotFound(
            f"no weights were kept of {name}@{row.version}: submit study {row.study_id} again"
        )
    return weights


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


def _gates_of(result: StudyResult) -> str:
    if result.gates is None:
        return "without gates"
    return f"whose gates it {'passed' if result.gates.passed else 'did not pass'}"


def baseline_view(row: Baseline) -> BaselineView:
    """A version without its scores by task."""
    own = {column: getattr(row, column) for column in OWN_COLUMNS}
    return BaselineView.model_validate({**row.data, **own})


def _get(session: Session, name: str, version: int | None) -> Baseline:
    row = baselines.find_baseline(session, name, version)
    if row is None:
        raise _missing(name if version is None else f"{name}@{version}")
    return row


def _missing(label: str) -> BaselineNotFound:
    return BaselineNotFound(f"there is no baseline {label}; `metaopt baseline list` lists them")
