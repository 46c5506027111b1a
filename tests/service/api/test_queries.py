"""How much the API asks of the database: the same few queries, however much there is to show."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event

from service.db.engine import transaction
from tests.fakes.rows import add_report, add_segment, add_study, add_trial, finish_study

STUDY = "/api/v1/studies/" + "a" * 32
FIRST = 0xAAAAAAAA
PATHS = (
    "/api/v1/studies", "/api/v1/studies?status=completed", "/api/v1/studies?status=running", STUDY,
    f"{STUDY}/trials", f"{STUDY}/trials?status=completed", f"{STUDY}/trials/0/reports?scores=true",
    f"{STUDY}/report", f"{STUDY}/page", f"{STUDY}/asks?branch=maml", f"{STUDY}/result",
)  # fmt: skip


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect what is asked of a database, but for the keys, which are looked at by time."""
    asked: list[str] = []

    def collect(_c: object, _u: object, statement: str, *_: object) -> None:
        if statement.startswith("SELECT") and "mo_api_keys" not in statement:
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", collect)
    yield asked
    event.remove(engine, "before_cursor_execute", collect)


def asked_by_path(app: FastAPI, client: TestClient) -> dict[str, int]:
    counts = {}
    for path in PATHS:
        with statements(app.state.context.engine) as asked:
            assert client.get(path).status_code == 200
        counts[path] = len(asked)
    return counts


def fill(engine: Engine, studies: range, trials: range) -> None:
    """Completed, running and half-way studies, with trials of both branches."""
    with transaction(engine) as session:
        for number in studies:
            study_id, kind = f"{number:08x}" * 4, (number - FIRST) % 3
            study = add_study(session, study_id)
            for trial_number in trials:
                at_end = kind == 0 or (kind == 1 and trial_number % 2)
                trial = add_trial(
                    session,
                    trial_number,
                    "completed" if at_end else "running",
                    branch=("maml", "reptile")[trial_number % 2],
                    study_id=study_id,
                )
                for rung in (10, 20):
                    add_report(session, trial, rung, 0.5 + kind + trial_number / rung)
            add_segment(session, study_id)
            if kind == 0:
                finish_study(session, study, 0)


def test_the_number_of_queries_does_not_grow(
    engine: Engine, app: FastAPI, client: TestClient
) -> None:
    fill(engine, range(FIRST, FIRST + 3), range(3))  # in one branch a trial is alone
    few = asked_by_path(app, client)
    fill(engine, range(FIRST + 3, FIRST + 30), range(12))
    with transaction(engine) as session:
        for number in range(3, 30):
            trial = add_trial(session, number, "completed")
            for rung in range(1, 20):
                add_report(session, trial, rung, 0.1 + number / rung)
    assert asked_by_path(app, client) == few
    assert max(few.values()) <= 20


@pytest.mark.parametrize("tied", [1, 5])
def test_of_trials_with_the_best_score_the_first_is_named(
    engine: Engine, client: TestClient, tied: int
) -> None:
    with transaction(engine) as session:
        add_study(session)
        for number in range(8):
            trial = add_trial(session, number, "completed")
            add_report(session, trial, 10, 0.25 if number >= 8 - tied else 0.5)
    best = client.get(STUDY).json()["branches"]["maml"]["best"]
    assert (best["trial_number"], best["score"]) == (8 - tied, 0.25)
