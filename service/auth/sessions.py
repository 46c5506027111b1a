"""Browsers that are logged in: a cookie that holds a random number, and a row that knows whose.

A session lasts eight hours, and never longer than the very secret that it was begun with: a key
that is revoked, expired or rotated at once ends it with itself.
"""

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple

from sqlalchemy import Engine

from service.auth.identity import Identity, Via
from service.auth.key import key_sha256
from service.auth.keys import KeyRing
from service.db.access import audit, sessions
from service.db.engine import reading, transaction
from service.db.tables import AuditRow, BrowserSession

COOKIE = "metaopt_session"
LIFE = timedelta(hours=8)


class Begun(NamedTuple):
    """A session that was begun: what the cookie holds, and who is logged in."""

    token: str
    identity: Identity


class Sessions:
    """The sessions of a server.

    Args:
        engine: The database with the table of sessions.
        keys: Every key of the server.
        now: The time, UTC-aware.
    """

    def __init__(self, engine: Engine, keys: KeyRing, now: Callable[[], datetime]) -> None:
        self._engine, self._keys, self._now = engine, keys, now

    def begin(self, key: str, request_id: str) -> Begun | None:
        """Log in whoever has the key; None if it is none of ours."""
        identity = self._keys.identify(key)
        if identity is None:
            return None
        token, now = secrets.token_urlsafe(32), self._now()
        identity = identity._replace(
            project=identity.home(), via=Via.SESSION, request_id=request_id
        )
        row = BrowserSession(
            session_sha256=key_sha256(token),
            key_sha256=key_sha256(key),
            project=identity.project,
            created_at=now,
            expires_at=now + LIFE,
        )
        with transaction(self._engine) as session:
            sessions.add_session(session, row)
            audit.add_row(session, _row("POST /login", identity, now))
        return Begun(token, identity)

    def identify(self, tokens: Sequence[str]) -> dict[str, Identity]:
        """Return who is logged in by which of these cookies; one query for all."""
        by_sha256 = {key_sha256(token): token for token in tokens}
        with reading(self._engine) as session:
            rows = [
                (row.session_sha256, row.key_sha256, row.project)
                for row in sessions.find_sessions(session, list(by_sha256), self._now())
            ]
        found = {}
        for own_sha256, sha256, project in rows:
            identity = self._keys.identify_sha256(sha256)
            if identity is not None:
                identity = identity._replace(project=project, via=Via.SESSION)
                found[by_sha256[own_sha256]] = identity
        return found

    def end(self, token: str, identity: Identity) -> None:
        """Log out."""
        with transaction(self._engine) as session:
            sessions.end_session(session, key_sha256(token))
            audit.add_row(session, _row("POST /logout", identity, self._now()))


def token_in(cookies: str) -> str | None:
    """The token that a Cookie header carries, or None."""
    try:
        found = SimpleCookie(cookies).get(COOKIE)
    except CookieError:
        return None
    return found.value if found is not None and found.value else None


def _row(action: str, identity: Identity, now: datetime) -> AuditRow:
    return AuditRow(
        created_at=now,
        request_id=identity.request_id,
        api_key_id=identity.api_key_id,
        key_name=identity.name,
        via=identity.via,
        project=identity.project,
        action=action,
        object=action.partition(" ")[2],
    )
