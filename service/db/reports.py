"""Reports: scores of a trial at a rung, written once; read by rung, as points of curves, by page.

What a verdict and gates judge beside, the scores of trivial predictors, is here too.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, cast

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session, defer

from service.db.roles import BankName
from service.db.tables import Report, StudyImportances, Trial, TrivialScores


class RungScore(NamedTuple):
    """Score of a trial at a rung, and the trimmed mean of its scores by task."""

    branch: str
    trial_number: int
    meta_iteration: int
    score: float
    trimmed_mean: float


class RungMetrics(NamedTuple):
    """What beside the score is known of a trial at a rung."""

    branch: str
    trial_number: int
    meta_iteration: int
    metrics: dict[str, float]


class Point(NamedTuple):
    """Score of a trial at a rung, with its 95 % interval."""

    trial_number: int
    meta_iteration: int
    score: float
    low: float
    high: float


def rung_scores(session: Session, study_id: str, role: str) -> list[RungScore]:
    """Every score of the study's trials of that role."""
    query = (
        select(
            Trial.branch,
            Trial.trial_number,
            Report.meta_iteration,
            Report.score,
            Report.trimmed_mean,
        )
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(Trial.study_id == study_id, Trial.role == role)
        .order_by(Trial.trial_number, Report.meta_iteration)
    )
    return [RungScore(*row) for row in session.execute(query)]


def rung_metrics(session: Session, study_id: str, role: str) -> list[RungMetrics]:
    """Costs of the study's trials of a role, at each rung where they were measured."""
    query = (
        select(Trial.branch, Trial.trial_number, Report.meta_iteration, Report.metrics)
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(Trial.study_id == study_id, Trial.role == role)
    )
    return [RungMetrics(*row[:3], row[3] or {}) for row in session.execute(query)]


def scores_by_trial(
    session: Session, study_id: str, trial_numbers: Collection[int]
) -> dict[int, dict[int, float]]:
    """Every score of these trials of the search, by trial number and meta-iteration."""
    query = (
        select(Trial.trial_number, Report.meta_iteration, Report.score)
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(Trial.study_id == study_id, Trial.trial_number.in_(trial_numbers))
        .order_by(Report.meta_iteration)
    )
    scores: dict[int, dict[int, float]] = {}
    for number, rung, score in session.execute(query):
        scores.setdefault(number, {})[rung] = score
    return scores


def reports_at(
    session: Session, trial_ids: Sequence[str], meta_iteration: int
) -> dict[str, Report]:
    """The reports of these trials at one rung, by trial_id."""
    query = select(Report).where(
        Report.trial_id.in_(trial_ids), Report.meta_iteration == meta_iteration
    )
    return {report.trial_id: report for report in session.scalars(query)}


def points_of(session: Session, study_id: str, role: str) -> list[Point]:
    """Every score of the study's trials of that role, by number and meta-iteration."""
    columns = Trial.trial_number, Report.meta_iteration, Report.score, Report.low, Report.high
    query = (
        select(*columns)
        .join(Trial, Trial.trial_id == Report.trial_id)
        .where(Trial.study_id == study_id, Trial.role == role)
        .order_by(Trial.trial_number, Report.meta_iteration)
    )
    return [Point(*row) for row in session.execute(query)]


def last_curves(
    session: Session, study_id: str, trial_numbers: Sequence[int]
) -> dict[int, list[float]]:
    """The adaptation curve of each trial's last report, by trial number."""
    query = (
        select(Trial.trial_number, Report.curve)
        .join(Report, Report.trial_id == Trial.trial_id)
        .where(Trial.study_id == study_id, Trial.trial_number.in_(trial_numbers))
        .order_by(Trial.trial_number, Report.meta_iteration)
    )
    return {number: curve for number, curve in session.execute(query)}  # the last of each stays


def reports_after(
    session: Session,
    study_id: str,
    after: tuple[int, int] | None,
    *,
    limit: int,
    with_scores: bool,
) -> list[tuple[Trial, Report]]:
    """Return (trial, report) by (trial_number, meta_iteration), from those after that place.

    Without `with_scores` the scores by task are not read.
    """
    place = tuple_(Trial.trial_number, Report.meta_iteration)
    query = (
        select(Trial, Report)
        .join(Report, Report.trial_id == Trial.trial_id)
        .where(Trial.study_id == study_id)
        .order_by(Trial.trial_number, Report.meta_iteration)
        .limit(limit)
    )
    if after is not None:
        query = query.where(place > after)
    if not with_scores:
        query = query.options(defer(Report.scores, raiseload=True))
    return [(trial, report) for trial, report in session.execute(query)]


def find_importances(session: Session, study_id: str) -> list[dict[str, Any]] | None:
    """The importances that were kept when the study had ended, if they were."""
    row = session.get(StudyImportances, study_id)
    return None if row is None else row.data


def save_importances(session: Session, study_id: str, data: list[dict[str, Any]]) -> None:
    """Keep the importances of a study that has ended, in place of older ones."""
    session.merge(StudyImportances(study_id=study_id, data=data))


def trivial_scores(session: Session, study_id: str, bank: BankName) -> dict[str, list[float]]:
    """The scores by task of trivial predictors on a bank's tasks, by their names."""
    query = select(TrivialScores).where(
        TrivialScores.study_id == study_id, TrivialScores.bank == bank
    )
    return {row.predictor: row.scores for row in session.scalars(query)}


def trivial_banks(session: Session, study_id: str) -> dict[BankName, int]:
    """On which banks trivial predictors were scored, and on how many of their tasks."""
    query = select(TrivialScores).where(TrivialScores.study_id == study_id)
    return {cast("BankName", row.bank): len(row.scores) for row in session.scalars(query)}


def save_trivial_scores(
    session: Session, study_id: str, bank: BankName, scores: Mapping[str, list[float]]
) -> None:
    """Keep the scores of trivial predictors, in place of those on fewer tasks."""
    for predictor, by_task in scores.items():
        row = TrivialScores(study_id=study_id, bank=bank, predictor=predictor, scores=by_task)
        session.merge(row)
