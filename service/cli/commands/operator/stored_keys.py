"""API keys in the server's database, for the commands about them."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.auth.identity import Scope
from service.auth.key import key_sha256
from service.db.engine import open_engine, transaction
from service.db.schema import revisions
from service.db.tables import ApiKey
from service.operations.access import api_keys
from service.settings import Settings
from service.wire.words.instants import instant

EVERY = "*"


def create(
    name: str,
    key: str,
    scopes: Sequence[Scope],
    projects: Sequence[str] | None,
    lasts: timedelta | None,
) -> None:
    """Add a key; `projects` None is every one, `lasts` None for ever."""
    now = _now()
    with _database() as session:
        api_keys.create_key(
            session,
            name,
            key_sha256(key),
            api_key_id=uuid.uuid4().hex,
            scopes=scopes,
            projects=projects,
            expires_at=None if lasts is None else now + lasts,
            now=now,
        )


def listed() -> list[dict[str, Any]]:
    """Every key that ever was, as plain data, without secrets."""
    with _database() as session:
        return [_plain(key, _now()) for key in api_keys.list_keys(session)]


def rotate(name: str, key: str, grace: timedelta) -> str:
    """Give a key a new secret; return its name."""
    with _database() as session:
        return api_keys.rotate_key(session, name, key_sha256(key), grace=grace, now=_now()).name


def revoke(name: str) -> None:
    """End a key."""
    with _database() as session:
        api_keys.revoke_key(session, name, now=_now())


@contextmanager
def _database() -> Iterator[Session]:
    engine = open_engine(Settings().url())
    try:
        revisions.check(engine)
        with transaction(engine) as session:
            yield session
    finally:
        engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


def _plain(key: ApiKey, now: datetime) -> dict[str, Any]:
    expired = key.expires_at is not None and key.expires_at <= now
    return {
        "api_key_id": key.api_key_id,
        "name": key.name,
        "status": "revoked" if key.revoked_at else "expired" if expired else "valid",
        "scopes": [str(scope) for scope in Scope] if key.scopes is None else key.scopes,
        "projects": [EVERY] if key.projects is None else key.projects,
        "created_at": instant(key.created_at),
        "expires_at": None if key.expires_at is None else instant(key.expires_at),
    }
