"""API keys in the database: SHA-256s of their secrets, never the secrets themselves.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service.db.tables import ApiKey


def live_keys(session: Session) -> Sequence[ApiKey]:
    """The keys that are not revoked; whether one has expired says the clock of who asks."""
    return session.scalars(select(ApiKey).where(ApiKey.revoked_at.is_(None))).all()


def all_keys(session: Session) -> Sequence[ApiKey]:
    """Every key that ever was, oldest first."""
    return session.scalars(select(ApiKey).order_by(ApiKey.created_at, ApiKey.api_key_id)).all()


def keys_called(session: Session, name_or_id: str) -> Sequence[ApiKey]:
    """The keys of that name or id that are not revoked, locked until the transaction ends."""
    called = or_(ApiKey.name == name_or_id, ApiKey.api_key_id == name_or_id)
    query = select(ApiKey).where(called, ApiKey.revoked_at.is_(None))
    return session.scalars(query.with_for_update()).all()


def any_key_was_made(session: Session) -> bool:
    """Tell whether there is a key, revoked or not: a server whose keys are all revoked is shut."""
    return session.scalar(select(ApiKey.api_key_id).limit(1)) is not None


def add_key(
    session: Session,
    api_key_id: str,
    name: str,
    sha256: str,
    *,
    now: datetime,
    scopes: list[str] | None = None,
    projects: list[str] | None = None,
    expires_at: datetime | None = None,
) -> None:
    """Add a key; without scopes or projects it may do everything, everywhere."""
    session.add(
        ApiKey(
            api_key_id=api_key_id,
            name=name,
            sha256=sha256,
            created_at=now,
            scopes=scopes,
            projects=projects,
            expires_at=expires_at,
        )
    )
