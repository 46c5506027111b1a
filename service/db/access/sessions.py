"""Browsers that are logged in, by the SHA-256 of their cookie.

Transactions belong to the caller; nothing here commits.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.db.tables import BrowserSession


def find_sessions(
    session: Session, session_sha256s: Sequence[str], now: datetime
) -> Sequence[BrowserSession]:
    """The sessions of these cookies that have not expired."""
    query = select(BrowserSession).where(
        BrowserSession.session_sha256.in_(session_sha256s), BrowserSession.expires_at > now
    )
    return session.scalars(query).all()


def add_session(session: Session, row: BrowserSession) -> None:
    """Add a session, and forget those that have expired."""
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= row.created_at))
    session.add(row)


def end_session(session: Session, session_sha256: str) -> None:
    """Forget a session."""
    session.execute(delete(BrowserSession).where(BrowserSession.session_sha256 == session_sha256))
