"""Browsers that are logged in, by the SHA-256 of their cookie.

Transactions belong to the caller; nothing here commits.
"""

from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from service.db.tables import BrowserSession


def find_session(session: Session, session_sha256: str, now: datetime) -> BrowserSession | None:
    """The session of a cookie, if it has not expired."""
    row = session.get(BrowserSession, session_sha256)
    return row if row is not None and now < row.expires_at else None


def add_session(session: Session, row: BrowserSession) -> None:
    """Add a session, and forget those that have expired."""
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at <= row.created_at))
    session.add(row)


def end_session(session: Session, session_sha256: str) -> None:
    """Forget a session."""
    session.execute(delete(BrowserSession).where(BrowserSession.session_sha256 == session_sha256))
