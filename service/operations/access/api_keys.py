"""API keys as an operator keeps them: created, listed, rotated, revoked.

What comes in is the SHA-256 of a secret, which is made and shown elsewhere, once.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from service.db.access import api_keys, audit
from service.db.tables import ApiKey, AuditRow
from service.errors import KeyExists, KeyNotFound


def create_key(
    session: Session,
    name: str,
    sha256: str,
    *,
    api_key_id: str,
    scopes: Sequence[str],
    projects: Sequence[str] | None,
    expires_at: datetime | None,
    now: datetime,
) -> None:
    """Add a key.

    Args:
        projects: Whose things it is for; None is every project.

    Raises:
        KeyExists: Another one that is not revoked has the name.
    """
    if api_keys.keys_called(session, name):
        raise KeyExists(
            f"there is a key {name!r} already: rotate or revoke it, or take another name"
        )
    own = None if projects is None else list(projects)
    api_keys.add_key(
        session,
        api_key_id,
        name,
        sha256,
        now=now,
        scopes=list(scopes),
        projects=own,
        expires_at=expires_at,
    )
    changed = {"scopes": list(scopes), "projects": own}
    audit.add_row(session, _row("keys create", api_key_id, name, now, changed))


def list_keys(session: Session) -> Sequence[ApiKey]:
    """Every key that ever was, oldest first."""
    return api_keys.all_keys(session)


def rotate_key(
    session: Session, name: str, sha256: str, *, grace: timedelta, now: datetime
) -> ApiKey:
    """Give a key a new secret; the one before stays valid for `grace`, any older one ends now.

    Raises:
        KeyNotFound: There is none of that name.
    """
    key = _one(session, name)
    until = now + grace if key.expires_at is None else min(now + grace, key.expires_at)
    key.previous_sha256 = key.sha256 if grace else None
    key.previous_expires_at = until if grace else None
    key.sha256 = sha256
    seconds = {"grace_seconds": grace.total_seconds()}
    audit.add_row(session, _row("keys rotate", key.api_key_id, key.name, now, seconds))
    return key


def revoke_key(session: Session, name: str, *, now: datetime) -> None:
    """End a key with all its secrets and sessions.

    Raises:
        KeyNotFound: There is none of that name.
    """
    key = _one(session, name)
    key.revoked_at = now
    audit.add_row(session, _row("keys revoke", key.api_key_id, key.name, now, {}))


def _one(session: Session, name: str) -> ApiKey:
    found = api_keys.keys_called(session, name)
    if not found:
        raise KeyNotFound(f"there is no key {name!r} that is not revoked: see `metaopt keys list`")
    if len(found) > 1:
        ids = ", ".join(key.api_key_id for key in found)
        raise KeyNotFound(f"several keys are called {name!r}; say which by its id: {ids}")
    return found[0]


def _row(
    action: str, api_key_id: str, name: str, now: datetime, changed: Mapping[str, object]
) -> AuditRow:
    return AuditRow(
        created_at=now,
        request_id="",
        api_key_id="",
        key_name="",
        via="command",
        project="",
        action=action,
        object=f"{api_key_id} ({name})",
        changed=dict(changed) or None,
    )
