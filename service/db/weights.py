"""Weights: trained models by the SHA-256 of their file; written once.

Transactions belong to the caller; nothing here commits.
"""

import hashlib
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import LargeBinary, func, select
from sqlalchemy.orm import Session

from metaopt.population.model_header import PREFIX, header_size
from service.db.tables import Weights


class KeptWeights(NamedTuple):
    """A model file and its SHA-256."""

    sha256: str
    content: bytes


def add_weights(session: Session, content: bytes, *, now: datetime) -> str:
    """Keep a model file, if it is not there yet; return its SHA-256."""
    digest = hashlib.sha256(content).hexdigest()
    if session.get(Weights, digest) is None:
        session.add(Weights(sha256=digest, content=content, created_at=now))
    return digest


def find_weights(session: Session, sha256: str | None) -> KeptWeights | None:
    """The model file of that SHA-256; None if it is not kept, or there is none."""
    row = session.get(Weights, sha256) if sha256 else None
    return KeptWeights(row.sha256, row.content) if row else None


def find_header(session: Session, sha256: str | None) -> bytes | None:
    """The header of the model file of that SHA-256, without the weights; None as `find_weights`."""
    prefix = _part(session, sha256, 1, PREFIX)
    size = header_size(prefix) if prefix else 0
    return _part(session, sha256, 1 + PREFIX, size) if size else None


def _part(session: Session, sha256: str | None, first: int, count: int) -> bytes | None:
    """Some bytes of a model file, from `first` on, counted from 1."""
    part = func.substr(Weights.content, first, count, type_=LargeBinary)
    return session.scalar(select(part).where(Weights.sha256 == sha256)) if sha256 else None
