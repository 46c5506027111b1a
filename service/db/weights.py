"""Weights: trained models by the SHA-256 of their file; written once.

Transactions belong to the caller; nothing here commits.
"""

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from service.db.tables import Weights


def add_weights(session: Session, content: bytes, *, now: datetime) -> str:
    """Keep a model file, if it is not there yet; return its SHA-256."""
    digest = hashlib.sha256(content).hexdigest()
    if session.get(Weights, digest) is None:
        session.add(Weights(sha256=digest, content=content, created_at=now))
    return digest


def read_weights(session: Session, sha256: str) -> bytes | None:
    """Return the model file of that SHA-256."""
    row = session.get(Weights, sha256)
    return row.content if row else None
