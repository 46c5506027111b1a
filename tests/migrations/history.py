"""A database as an older version left it: many trials and all that hangs on them, and its digest.

Rows are written into the tables that there are at a revision, not as today's objects, which have
columns that those lack.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import JSON, Column, Connection, MetaData, Table, insert, select

from service.db.columns.vectors import Vector
from service.db.tables import Base
from tests.fakes.rows import NOON
from tests.fakes.specs import SPEC

OF_A_STUDY = 1000
RUNGS = 60, 180
TASKS = 20
PIECE = 2000

Row = dict[str, Any]


def fill(connection: Connection, trials: int) -> dict[str, int]:
    """Add so many trials, `OF_A_STUDY` to a study; return how many rows each table got."""
    tables = _tables(connection)
    counts = dict.fromkeys(tables, 0)
    for first in range(0, trials, OF_A_STUDY):
        rows = _of_study(first // OF_A_STUDY, min(OF_A_STUDY, trials - first))
        for name, some in rows.items():
            counts[name] += len(some)
            for at in range(0, len(some), PIECE):
                connection.execute(insert(tables[name]), some[at : at + PIECE])
    return {name: count for name, count in counts.items() if count}


def digests(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """The number of rows of each table, and a digest of what they say in the columns of `fill`."""
    tables = _tables(connection)
    written = {name: list(rows[0]) for name, rows in _of_study(0, 1).items()}
    found = {}
    for name in names:
        table, digest, count = tables[name], hashlib.sha256(), 0
        columns = [table.c[column] for column in written[name]]
        query = select(*columns).order_by(*(table.c[key] for key in _key(name)))
        for row in connection.execution_options(yield_per=PIECE).execute(query):
            digest.update(json.dumps(list(row), default=str).encode())
            count += 1
        found[name] = f"{count} {digest.hexdigest()}"
    return found


def _key(name: str) -> list[str]:
    return [column.name for column in Base.metadata.tables[name].primary_key.columns]


def _tables(connection: Connection) -> dict[str, Table]:
    """The tables that there are, with the types that our values have."""
    found, metadata = {}, MetaData()
    for name in ("mo_studies", "mo_trials", "mo_attempts", "mo_reports", "mo_asks", "mo_events"):
        ours = Base.metadata.tables[name]
        there = Table(name, MetaData(), autoload_with=connection)
        found[name] = Table(
            name, metadata,
            *(Column(c.name, _type(ours, c), primary_key=c.primary_key) for c in there.columns),
        )  # fmt: skip
    return found


def _type(ours: Table, there: Column[Any]) -> Any:
    mine = ours.columns[there.name].type
    if isinstance(mine, Vector) and isinstance(there.type, JSON):  # before they were blobs
        return JSON()
    return mine


def _of_study(number: int, trials: int) -> dict[str, list[Row]]:
    chance, study_id = random.Random(number), f"{number:032x}"
    ended = NOON + timedelta(hours=1)
    study = {
        "study_id": study_id, "name": f"study {number}", "spec": SPEC, "spec_sha256": "0" * 64,
        "status": "completed", "version": 1, "sealed_looks": 0, "created_at": NOON,
        "started_at": NOON, "finished_at": ended, "result": None, "error": None,
    }  # fmt: skip
    rows: dict[str, list[Row]] = {"mo_studies": [study]}
    for trial in range(trials):
        for name, row in _of_trial(study_id, trial, chance):
            rows.setdefault(name, []).append(row)
    return rows


def _of_trial(study_id: str, number: int, chance: random.Random) -> Iterator[tuple[str, Row]]:
    trial_id, params = f"{study_id[-8:]}{number:024x}", {"inner_lr": chance.random()}
    began = NOON + timedelta(seconds=number)
    own = {"study_id": study_id, "branch": "maml"}
    scores = {rung: [chance.random() for _ in range(TASKS)] for rung in RUNGS}
    yield "mo_trials", {
        **own, "trial_id": trial_id, "trial_number": number, "role": "search",
        "ask_index": number, "params": params, "seed": chance.getrandbits(53),
        "status": "completed", "meta_iteration": RUNGS[-1], "score": scores[RUNGS[-1]][0],
        "score_stderr": 0.5, "attempts": 0, "solo": False, "device_seconds": chance.random(),
        "epoch": 1, "created_at": began, "started_at": began, "finished_at": began,
    }  # fmt: skip
    yield "mo_attempts", {
        "trial_id": trial_id, "number": 1, "epoch": 1, "slot": "cpu:0", "from_meta_iteration": 0,
        "outcome": "finished", "cause": None, "started_at": began, "ended_at": began,
    }  # fmt: skip
    names = ("stderr", "low", "high", "median", "trimmed_mean", "standard_deviation")
    for rung, values in scores.items():
        yield "mo_reports", {
            **dict.fromkeys([*names, "diverged_share", "device_seconds"], chance.random()),
            "trial_id": trial_id, "meta_iteration": rung, "score": values[0], "scores": values,
            "curve": [1.0, 0.5], "transductive": True, "attempt": 1, "epoch": 1,
            "created_at": began,
        }  # fmt: skip
        told = {"trial_number": number, "meta_iteration": rung, "score": values[0]}
        event = {"study_id": study_id, "kind": "trial_reported", "created_at": began}
        yield "mo_events", {**event, "data": told}
    for turn, kind in enumerate(("ask", "tell")):
        ended = kind == "tell"
        yield "mo_asks", {
            **own, "sequence": 2 * number + turn, "kind": kind, "trial_number": number,
            "params": None if ended else params, "outcome": "completed" if ended else None,
            "value": scores[RUNGS[-1]][0] if ended else None,
            "meta_iteration": RUNGS[-1] if ended else None,
        }  # fmt: skip
