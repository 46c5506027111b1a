"""Baselines: versions are added, and never changed.

Whoever asks in a session that sees more than one project asks within one
(`service.db.access.projects`): two projects may call theirs the same.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from service.db.access import audit
from service.db.access.projects import project_of
from service.db.tables import Baseline


def find_baseline(session: Session, name: str, version: int | None = None) -> Baseline | None:
    """Return that version of a baseline, by default the newest."""
    query = select(Baseline).where(Baseline.name == name).order_by(Baseline.version.desc())
    if version is not None:
        query = query.where(Baseline.version == version)
    return session.scalar(query.limit(1))


def newest_of_each(session: Session) -> Sequence[Baseline]:
    """The present version of every baseline, by name."""
    newest = (
        select(Baseline.project, Baseline.name, func.max(Baseline.version).label("version"))
        .group_by(Baseline.project, Baseline.name)
        .subquery()
    )
    same = [getattr(Baseline, c.name) == c for c in newest.c]
    query = select(Baseline).join(newest, and_(*same))
    return session.scalars(query.order_by(Baseline.name)).all()


def versions_of(session: Session, name: str) -> Sequence[Baseline]:
    """Every version of a baseline, newest first."""
    query = select(Baseline).where(Baseline.name == name).order_by(Baseline.version.desc())
    return session.scalars(query).all()


def add_version(
    session: Session,
    name: str,
    *,
    study_id: str,
    data: dict[str, Any],
    scores: list[list[float]],
    now: datetime,
) -> int:
    """Add the next version of a baseline and return its number.

    Two at the same moment get the same number, and the primary key refuses the second.
    """
    project = project_of(session)
    newest = find_baseline(session, name)
    version = 1 if newest is None else newest.version + 1
    session.add(
        Baseline(
            project=project,
            name=name,
            version=version,
            study_id=study_id,
            data=data,
            scores=scores,
            created_at=now,
        )
    )
    session.flush()
    audit.note(session, name=name, version=version, study_id=study_id)
    return version
