"""Retries: what an attempt comes to, and when the next one is made.

    pending ──2xx──▶ delivered
       │ ▲
       │ └── any other answer, or none: again after 10 s, 30 s … 3 h, at most 8 attempts
       └──3xx, 410, an address that is refused, the last attempt──▶ failed

A pause is up to a fifth longer than the table says, by a share that the delivery and the attempt
give: receivers that fail together are not all asked again together.
"""

import hashlib
from datetime import datetime, timedelta
from typing import NamedTuple

from service.db.states import DeliveryStatus

PAUSES_SECONDS = (10, 30, 90, 300, 900, 3600, 10_800)
MOST_ATTEMPTS = len(PAUSES_SECONDS) + 1
LONGEST_JITTER = 0.2
LONGEST_PAUSE = timedelta(seconds=PAUSES_SECONDS[-1] * (1 + LONGEST_JITTER))
GONE = 410


class Outcome(NamedTuple):
    """What came of one attempt: an answer's status code, or why there is none.

    `is_final` says that another attempt could not end otherwise.
    """

    status_code: int | None
    error: str | None = None
    is_final: bool = False


class Step(NamedTuple):
    """What a delivery becomes; `next_attempt_at` is null once nothing more is tried."""

    status: DeliveryStatus
    next_attempt_at: datetime | None
    error: str | None


def step_after(outcome: Outcome, delivery_id: str, attempts: int, now: datetime) -> Step:
    """Status of a delivery after attempt number `attempts`: delivered, tried again, or failed."""
    code = outcome.status_code
    if code is not None and 200 <= code < 300:
        return Step(DeliveryStatus.DELIVERED, None, None)
    error = outcome.error or _error(code)
    if outcome.is_final or (code is not None and (code < 400 or code == GONE)):
        return Step(DeliveryStatus.FAILED, None, error)
    if attempts >= MOST_ATTEMPTS:
        return Step(DeliveryStatus.FAILED, None, f"{error}; given up after {attempts} attempts")
    pause = timedelta(seconds=pause_seconds(delivery_id, attempts))
    return Step(DeliveryStatus.PENDING, now + pause, error)


def pause_seconds(delivery_id: str, attempts: int) -> float:
    """The pause after attempt number `attempts` >= 1, in seconds."""
    digest = hashlib.sha256(f"{delivery_id}/{attempts}".encode()).digest()
    share = int.from_bytes(digest[:4]) / 2**32
    return PAUSES_SECONDS[attempts - 1] * (1 + LONGEST_JITTER * share)


def _error(code: int | None) -> str:
    if code is not None and code < 400:
        return f"answered {code}: redirects are not followed"
    return f"answered {code}"
