"""API keys in the database: their SHA-256, never the keys themselves.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from service.db.tables import ApiKey


def live_keys(session: Session) -> Sequence[ApiKey]:
    """The keys that are not revoked."""
    return session.scalars(select(ApiKey).where(ApiKey.revoked_at.is_(None))).all()


def any_key_was_made(session: Session) -> bool:
    """Tell whether there is a key, revoked or not: a server whose keys are all revoked is shut."""
    return session.scalar(select(ApiKey.api_key_id).limit(1)) is not None


def add_key(session: Session, api_key_id: str, name: str, sha256: str, *, now: datetime) -> None:
    """Add a key."""
    session.add(ApiKey(api_key_id=api_key_id, name=name, sha256=sha256, created_at=now))


def revoke_key(session: Session, name: str, *, now: datetime) -> int:
    """Revoke the live keys of that name; return how many there were."""
    statement = (
        update(ApiKey)
        .where(ApiKey.name == name, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return cast("CursorResult[Any]", session.execute(statement)).rowcount
