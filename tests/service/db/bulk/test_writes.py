"""Writes: rows of many tables by a few statements, and no move that is not allowed."""

from typing import Any

import pytest
from sqlalchemy import Engine, event, select, text

from service.db.bulk.writes import Writes
from service.db.engine import reading, transaction
from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Attempt, Event, Report, Trial
from service.db.trials import IllegalTransition
from tests.fakes.rows import NOON, add_study, add_trial

STUDY = "a" * 32
SCORES = {
    "score": 0.5, "stderr": 0.1, "low": 0.4, "high": 0.6, "median": 0.5, "trimmed_mean": 0.5,
    "standard_deviation": 0.1, "diverged_share": 0.0, "scores": [0.5], "curve": [],
    "transductive": True, "device_seconds": 1.0, "attempt": 1, "epoch": 1, "created_at": NOON,
}  # fmt: skip


def trial(number: int, **values: Any) -> dict[str, Any]:
    named = {"trial_id": f"{number:032d}", "study_id": STUDY, "trial_number": number, "seed": 1}
    return {**named, "branch": "maml", "params": {"inner_lr": 0.1}, "created_at": NOON, **values}


def attempt(trial_id: str) -> dict[str, Any]:
    named = {"trial_id": trial_id, "number": 1, "epoch": 1, "slot": "cpu:0"}
    return {**named, "from_meta_iteration": 0, "started_at": NOON}


def write(engine: Engine, writes: Writes) -> None:
    with transaction(engine) as session:
        writes.write(session)


def test_a_new_trial_is_written_as_what_became_of_it(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
    writes = Writes()
    writes.add(Trial, trial(0))
    writes.add(Trial, trial(1, metrics=None))
    writes.change(f"{0:032d}", status=TrialStatus.RUNNING, started_at=NOON)
    writes.add(Attempt, attempt(f"{0:032d}"))
    write(engine, writes)
    with reading(engine) as session:
        first, second = session.scalars(select(Trial).order_by(Trial.trial_number))
        assert (first.status, first.started_at, first.device_seconds) == ("running", NOON, 0.0)
        assert (second.status, second.started_at) == ("queued", None)
        assert session.scalars(select(Attempt)).one().outcome == "running"
        nulls = text("SELECT count(*) FROM mo_trials WHERE metrics IS NULL AND cause IS NULL")
        assert session.scalar(nulls) == 2, "what is not known is null, and no JSON"


def test_changes_of_one_trial_add_up_and_its_row_is_written_once(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        one = add_trial(session, 0, "running", checkpoint="x", device_seconds=2.0).trial_id
        other = add_trial(session, 1, "running", checkpoint="y").trial_id
        session.add(Attempt(**attempt(one)))
        session.add(Attempt(**attempt(other)))
    writes = Writes()
    for trial_id in (one, other):
        writes.change(trial_id, meta_iteration=10, more_seconds=1.5)
        writes.add(Report, {"trial_id": trial_id, "meta_iteration": 10, **SCORES})
    writes.change(one, status=TrialStatus.PRUNED, checkpoint=None, finished_at=NOON)
    writes.close_attempt(one, 1, AttemptOutcome.FINISHED, None, NOON)
    write(engine, writes)
    with reading(engine) as session:
        first, second = session.scalars(select(Trial).order_by(Trial.trial_number))
        assert (first.status, first.checkpoint, first.device_seconds) == ("pruned", None, 3.5)
        assert (first.meta_iteration, second.meta_iteration) == (10, 10)
        assert (second.status, second.checkpoint, second.device_seconds) == ("running", "y", 1.5)
        outcomes = session.scalars(select(Attempt.outcome).order_by(Attempt.attempt_id))
        assert list(outcomes) == ["finished", "running"]
        assert [report.scores for report in session.scalars(select(Report))] == [[0.5], [0.5]]


@pytest.mark.parametrize(
    ("before", "after"), [("completed", "running"), ("queued", "completed"), ("pruned", "pruned")]
)
def test_a_trial_goes_only_where_its_status_may(engine: Engine, before: str, after: str) -> None:
    with transaction(engine) as session:
        add_study(session)
        moved = add_trial(session, 0, before).trial_id
        free = add_trial(session, 1, "running").trial_id
    writes = Writes()
    writes.add(Event, {"study_id": STUDY, "kind": "trial_finished", "data": {}, "created_at": NOON})
    writes.change(free, meta_iteration=10)
    writes.change(moved, status=TrialStatus(after))
    with pytest.raises(IllegalTransition, match=f"{moved} cannot become {after}"):
        write(engine, writes)
    with reading(engine) as session:
        assert session.get_one(Trial, free).meta_iteration == 0, "nothing is committed"
        assert session.get_one(Trial, moved).status == before


def test_more_rows_are_no_more_statements(engine: Engine) -> None:
    statements: list[str] = []

    def executed(*arguments: Any) -> None:
        statements.append(arguments[2])

    def needed(first: int, count: int) -> int:
        writes = Writes()
        for number in range(first, first + count):
            writes.add(Trial, trial(number, status=TrialStatus.RUNNING))
            writes.add(Attempt, attempt(f"{number:032d}"))
            data = {"trial_number": number}
            row = {"study_id": STUDY, "kind": "trial_started", "data": data, "created_at": NOON}
            writes.add(Event, row)
        write(engine, writes)
        ended = Writes()
        for number in range(first, first + count):
            ended.change(f"{number:032d}", status=TrialStatus.DIVERGED, finished_at=NOON)
            ended.close_attempt(f"{number:032d}", 1, AttemptOutcome.FINISHED, None, NOON)
        begun = len(statements)
        write(engine, ended)
        return len(statements) - begun

    with transaction(engine) as session:
        add_study(session)
    event.listen(engine, "before_cursor_execute", executed)
    assert needed(0, 2) == needed(2, 50)
    event.remove(engine, "before_cursor_execute", executed)
    with reading(engine) as session:
        order = select(Event.data).where(Event.kind == "trial_started").order_by(Event.event_id)
        numbers = [data["trial_number"] for data in session.scalars(order)]
    assert [number for number in numbers if number >= 2] == list(range(2, 52)), "in their order"
