"""Counts of rows by their status, for metrics."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.db.tables import Delivery, ScheduleRun, Study, Trial


def count_by_status(
    session: Session, table: type[Study | Trial | ScheduleRun | Delivery]
) -> dict[str, int]:
    """Return how many rows there are of each status that occurs."""
    query = select(table.status, func.count()).group_by(table.status)
    return {status: count for status, count in session.execute(query)}
