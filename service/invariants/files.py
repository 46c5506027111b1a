"""Does every checkpoint and model that a row names exist, and is every other one gone?"""

import hashlib
from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.blobs.base import BlobDamaged, BlobStore
from service.db.states import TERMINAL_STUDIES, TERMINAL_TRIALS, StudyStatus
from service.db.tables import Baseline, Study, Trial, Weights
from service.invariants.violation import Violation


def misplaced(session: Session, blobs: BlobStore, *, at_rest: bool) -> Iterator[Violation]:
    """Name checkpoints that are lost, damaged or left over.

    Args:
        blobs: Where all of them are.
        at_rest: Nothing is under way any more: what an ended study left has been deleted.
    """
    status = {one: is_now for one, is_now in session.execute(select(Study.study_id, Study.status))}
    named = select(Trial.study_id, Trial.checkpoint, Trial.checkpoint_sha256).where(
        Trial.checkpoint.is_not(None), Trial.status.not_in(TERMINAL_TRIALS)
    )
    for study_id, name, digest in session.execute(named):
        if name is not None and status[study_id] not in TERMINAL_STUDIES:
            yield from _damaged(blobs, name, digest)
    for study_id in blobs.prefixes():
        known, where = status.get(study_id), f"{blobs.where}/{study_id}"
        if known is None:
            yield Violation("files", where, "belongs to no study")
        elif at_rest and known in TERMINAL_STUDIES:
            left = sorted(key.partition("/")[2] for key in blobs.keys(study_id))
            yield Violation("files", where, f"is left of a study that is {known}: {left}")


def _damaged(blobs: BlobStore, name: str, digest: str | None) -> Iterator[Violation]:
    try:
        found = hashlib.sha256(blobs.read(name)).hexdigest()
    except (BlobDamaged, OSError) as error:
        yield Violation("files", name, f"a trial resumes from it, and: {error}")
        return
    if found != digest:
        yield Violation("files", name, f"has SHA-256 {found}, its row {digest}")


def strayed_weights(session: Session) -> Iterator[Violation]:
    """Name models in the table that nobody names, that are damaged, and that are named in vain."""
    named = set()
    completed = select(Study.study_id, Study.result).where(Study.status == StudyStatus.COMPLETED)
    for study_id, result in session.execute(completed):
        named.add((f"study {study_id}", (result or {}).get("weights_sha256")))
    for name, data in session.execute(select(Baseline.name, Baseline.data)):
        named.add((f"baseline {name}", data.get("weights_sha256")))
    kept = set(session.scalars(select(Weights.sha256)))
    for who, sha256 in sorted((who, sha256) for who, sha256 in named if sha256):
        if sha256 not in kept:
            yield Violation("files", who, f"names the model {sha256}, which is not kept")
    for sha256 in sorted(kept):
        content = session.scalar(select(Weights.content).where(Weights.sha256 == sha256)) or b""
        if hashlib.sha256(content).hexdigest() != sha256:
            yield Violation("files", f"model {sha256}", "has other bytes than its name says")
        if sha256 not in {of for _, of in named}:
            yield Violation("files", f"model {sha256}", "belongs to no study and no baseline")
