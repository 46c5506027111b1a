"""Idempotency keys: which study the first use of a key made.

Transactions belong to the caller; the key's row is written in the study's own transaction.
"""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.tables import IdempotencyKey


def find_key(session: Session, key: str, api_key_id: str) -> IdempotencyKey | None:
    """The key's first use by this API key, or None."""
    return session.scalar(
        select(IdempotencyKey).where(
            IdempotencyKey.key == key, IdempotencyKey.api_key_id == api_key_id
        )
    )


def add_key(session: Session, row: IdempotencyKey) -> None:
    """Write the first use; the primary key refuses a second one."""
    session.flush()  # the study first: the key refers to it
    session.add(row)
    session.flush()
