"""Submitting: a spec becomes a committed study row, once for each Idempotency-Key."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.orm import Session

from metaopt.plugins.described import Needed
from service.db import idempotency
from service.db.events import append_event
from service.db.states import StudyStatus
from service.db.tables import IdempotencyKey, Study
from service.errors import IdempotencyConflict
from service.operations.gates import resolve_gates
from service.operations.warm_start import resolve_warm_start
from service.planning.banks import digest_of, sealed_bank
from service.plugins.needs import needs_of
from service.wire.spec.study import StudySpec


class Once(NamedTuple):
    """An Idempotency-Key and the API key that used it ("" without authentication)."""

    key: str
    api_key_id: str


def submit_study(
    session: Session, spec: StudySpec, once: Once | None, *, study_id: str, now: datetime
) -> str:
    """Queue a study and return its id, or the id that the same key and spec got before.

    Raises:
        IdempotencyConflict: The key was used with another spec.
        InvalidSpec: The warm start or the gates name something that is not there or does not fit.
    """
    digest = spec_digest(spec)  # as it was sent: what its warm start and gates name may change
    if once is not None:
        earlier = idempotency.find_key(session, once.key, once.api_key_id)
        if earlier is not None:
            return _same_study(earlier, digest)
    stored = resolve_gates(session, resolve_warm_start(session, spec))
    session.add(_queued(stored, spec_digest(stored), needs_of(session, stored), study_id, now))
    session.flush()
    append_event(session, study_id, "study_submitted", {"trials": spec.budget.trials}, now=now)
    if once is not None:
        idempotency.add_key(session, _first_use(once, digest, study_id, now))
    return study_id


def spec_digest(spec: StudySpec) -> str:
    """The SHA-256 of the spec with every default: the same however it was written."""
    return digest_of(spec.model_dump(mode="json"))


def _same_study(earlier: IdempotencyKey, digest: str) -> str:
    if earlier.body_sha256 != digest:
        raise IdempotencyConflict(
            f"this Idempotency-Key was used for study {earlier.study_id} with another spec; "
            "use a new key for a new study"
        )
    return earlier.study_id


def _queued(
    spec: StudySpec, digest: str, needs: Sequence[Needed], study_id: str, now: datetime
) -> Study:
    return Study(
        study_id=study_id,
        name=spec.name,
        spec=spec.model_dump(mode="json"),
        spec_sha256=digest,
        sealed_bank=sealed_bank(spec),
        plugins=[needed.to_json() for needed in needs] or None,
        status=StudyStatus.QUEUED,
        created_at=now,
    )


def _first_use(once: Once, digest: str, study_id: str, now: datetime) -> IdempotencyKey:
    return IdempotencyKey(
        key=once.key,
        api_key_id=once.api_key_id,
        body_sha256=digest,
        study_id=study_id,
        created_at=now,
    )
