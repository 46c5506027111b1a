"""Was every study that a client was told of kept, once, and has it ended?

A client log is a file of lines, each a JSON object: `study_id` as the API answered, and `key`, the
Idempotency-Key, if the request had one.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.db.dispatcher import database_now
from service.db.states import TERMINAL_STUDIES
from service.db.tables import IdempotencyKey, Study
from service.invariants.violation import Violation

KEY_KEPT = timedelta(days=1)
"""For which a key is kept at least; later it may be gone by a rule of retention."""


class Acknowledged(NamedTuple):
    """A study that a client was told of."""

    study_id: str
    key: str | None


def read_log(path: Path) -> list[Acknowledged]:
    """The studies of a client log, in its order.

    Raises:
        ValueError: A line is not what it should be.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            said: Mapping[str, str] = json.loads(line)
            found.append(Acknowledged(said["study_id"], said.get("key")))
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(
                f"{path}, line {number} must be a JSON object with a study_id: {error!r}"
            ) from None
    return found


def forgotten(
    session: Session, acknowledged: list[Acknowledged], *, at_rest: bool
) -> Iterator[Violation]:
    """Name studies that are lost, doubled, or have not ended although nothing goes on."""
    query = select(Study.study_id, Study.status, Study.created_at)
    status, made = {}, {}
    for study_id, is_now, created_at in session.execute(query):
        status[study_id], made[study_id] = is_now, created_at
    promised = database_now(session) - KEY_KEPT
    keys = session.execute(select(IdempotencyKey.key, IdempotencyKey.study_id))
    of_key: defaultdict[str, list[str]] = defaultdict(list)  # each project may have used it
    for used, study_id in keys:
        of_key[used].append(study_id)
    for study_id, key in dict.fromkeys(acknowledged):
        where = f"study {study_id}"
        if study_id not in status:
            yield Violation("acknowledged", where, "was acknowledged, and is not there")
        elif at_rest and status[study_id] not in TERMINAL_STUDIES:
            yield Violation("acknowledged", where, f"is {status[study_id]}, and nothing goes on")
        if key is not None and not of_key[key] and made.get(study_id, promised) < promised:
            continue
        if key is not None and study_id not in of_key[key]:
            why = f"was acknowledged for key {key}, which has {', '.join(of_key[key]) or None}"
            yield Violation("acknowledged", where, why)
