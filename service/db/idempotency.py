"""Idempotency keys: which study the first use of a key made in a project.

They are the project's, whichever of its API keys is used: what is asked again after an API key was
replaced by another makes no second study, and the same name in another project is another key.

Transactions belong to the caller; the key's row is written in the study's own transaction.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.access.projects import project_of
from service.db.tables import IdempotencyKey


def find_key(session: Session, key: str) -> IdempotencyKey | None:
    """The key's first use in the session's project, or None."""
    return session.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.project == project_of(session), IdempotencyKey.key == key
        )
    )


def add_key(session: Session, row: IdempotencyKey) -> None:
    """Write the first use; the primary key refuses a second one."""
    session.flush()  # the study first: the key refers to it
    row.project = project_of(session)
    session.add(row)
    session.flush()
