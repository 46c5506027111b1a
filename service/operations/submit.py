"""Submitting: a spec becomes a committed study row, once for each Idempotency-Key of a project."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from metaopt.plugins.described import Needed
from service.db import idempotency
from service.db.access import audit
from service.db.access.projects import project_of
from service.db.events import append_event
from service.db.states import StudyStatus
from service.db.studies import count_queued_by
from service.db.tables import IdempotencyKey, Study
from service.errors import IdempotencyConflict, TooManyStudies
from service.operations.gates import resolve_gates
from service.operations.lookup import show_study
from service.operations.warm_start import resolve_warm_start
from service.planning.banks import digest_of, sealed_bank
from service.plugins.needs import needs_of
from service.plugins.stored import spec_of
from service.wire.spec.added import leave_out_added
from service.wire.spec.refusals import without_notes
from service.wire.spec.space import without_defaults
from service.wire.spec.study import StudySpec

ANSWER_KEPT = timedelta(hours=24)


class Submitter(NamedTuple):
    """Who submits by a request.

    Args:
        api_key_id: Of the API key, "" without keys.
        most_queued: How many studies it may have in the queue.
    """

    api_key_id: str
    most_queued: int


class Once(NamedTuple):
    """An Idempotency-Key, the API key that uses it ("" without authentication), and for what.

    It is the project's: whoever of a project uses it again gets the same study.

    Args:
        sent: SHA-256 of the spec as it was sent (`sent_digest`): what it names, and which defaults
            it gets, may be another later.
    """

    key: str
    api_key_id: str
    sent: str


def sent_digest(data: Any) -> str:
    """The SHA-256 of a spec's plain data, be it JSON or YAML, without its notes."""
    return digest_of(without_notes(data))


def submitted_before(session: Session, once: Once) -> str | None:
    """The study that the same key got for the very same spec, whatever that would mean by now."""
    earlier = idempotency.find_key(session, once.key)
    return earlier.study_id if earlier is not None and earlier.body_sha256 == once.sent else None


def submit_study(
    session: Session,
    spec: StudySpec,
    once: Once | None,
    *,
    study_id: str,
    now: datetime,
    submitter: Submitter | None = None,
) -> str:
    """Queue a study and return its id, or the id that the same key and spec got before.

    Raises:
        TooManyStudies: The submitter has as many in the queue as it may.
        IdempotencyConflict: The key was used with another spec.
        InvalidSpec: The warm start or the gates name something that is not there or does not fit.
    """
    if once is not None:
        earlier = idempotency.find_key(session, once.key)
        if earlier is not None:
            return _same_study(session, earlier, once, spec)
    if submitter is not None:
        check_queue(session, submitter)
    stored = _resolved(session, spec)
    study = _queued(stored, spec_digest(stored), needs_of(session, stored), study_id, now)
    study.project = project_of(session)
    study.submitted_by = None if submitter is None else submitter.api_key_id
    session.add(study)
    session.flush()
    audit.note(session, study_id=study_id, name=spec.name)
    append_event(session, study_id, "study_submitted", {"trials": spec.budget.trials}, now=now)
    if once is not None:
        answer = show_study(session, study_id).model_dump_json(by_alias=True)
        idempotency.add_key(session, _first_use(once, study_id, answer, now))
    return study_id


def answered_before(session: Session, once: Once, *, now: datetime) -> str | None:
    """What the first use of the key was answered, JSON; None where that is a day ago.

    It is the same answer each time, whatever has become of the study since.
    """
    earlier = idempotency.find_key(session, once.key)
    if earlier is None or abs(now - earlier.created_at) >= ANSWER_KEPT:
        return None
    return earlier.answer


def spec_digest(spec: StudySpec) -> str:
    """The SHA-256 of the spec with every default: the same however it was written.

    Names and models of branches are left out where they are at their default, as is what else came
    later, so that a spec of a time without them has the digest that it had.
    """
    data = spec.model_dump(mode="json")
    data["branches"] = [without_defaults(branch) for branch in data["branches"]]
    incumbent = data["gates"]["incumbent"]
    if incumbent and incumbent["algorithm"] == incumbent["branch"]:
        del incumbent["algorithm"]
    leave_out_added(data, spec)
    return digest_of(data)


def check_queue(session: Session, submitter: Submitter) -> None:
    """Return if the submitter may have one more study in the queue.

    Raises:
        TooManyStudies: It has as many as it may.
    """
    if count_queued_by(session, submitter.api_key_id) >= submitter.most_queued:
        raise TooManyStudies(
            f"{submitter.most_queued} studies of this key are queued, which is the most "
            "(METAOPT_QUEUED_PER_KEY): wait until some have begun, or cancel some"
        )


def _same_study(session: Session, earlier: IdempotencyKey, once: Once, spec: StudySpec) -> str:
    """The study that the key got, if it was for this spec, however that was written.

    Earlier versions kept the digest of the spec with its defaults of their day.
    """
    same = earlier.body_sha256 in (once.sent, spec_digest(spec))
    if not same and not _is_of(session, spec, earlier.study_id):
        raise IdempotencyConflict(
            f"this Idempotency-Key was used for study {earlier.study_id} with another spec; "
            "use a new key for a new study"
        )
    return earlier.study_id


def _is_of(session: Session, spec: StudySpec, study_id: str) -> bool:
    return spec_of(session.get_one(Study, study_id)) == _resolved(session, spec)


def _resolved(session: Session, spec: StudySpec) -> StudySpec:
    return resolve_gates(session, resolve_warm_start(session, spec))


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
        requires=spec.requires.model_dump(mode="json") if spec.requires else None,
        status=StudyStatus.QUEUED,
        created_at=now,
    )


def _first_use(once: Once, study_id: str, answer: str, now: datetime) -> IdempotencyKey:
    return IdempotencyKey(
        key=once.key,
        api_key_id=once.api_key_id,
        body_sha256=once.sent,
        study_id=study_id,
        created_at=now,
        answer=answer,
    )
