"""Trials' rows: what a new dispatcher finds, and what is left over."""

from sqlalchemy import Engine, select

from service.db import trials
from service.db.engine import reading, transaction
from service.db.tables import Attempt, Trial
from tests.fakes.rows import NOON, add_study, add_trial


def test_what_an_older_dispatcher_left_running_is_requeued_and_not_a_loss(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        old = add_trial(session, 0, "running", meta_iteration=40, checkpoint="x").trial_id
        attempt = {"number": 1, "epoch": 1, "slot": "cpu:0", "from_meta_iteration": 0}
        session.add(Attempt(trial_id=old, outcome="running", started_at=NOON, **attempt))
    with transaction(engine) as session:
        assert trials.close_older_attempts(session, 2, now=NOON) == 1
    with reading(engine) as session:
        trial = session.get_one(Trial, old)
        assert (trial.status, trial.meta_iteration, trial.checkpoint) == ("queued", 40, "x")
        attempt = session.scalars(select(Attempt)).one()
        assert (attempt.outcome, attempt.cause) == ("lost", trials.REPLACED)
        assert attempt.ended_at is not None
        assert not trials.is_loss(attempt)


def test_only_open_trials_of_ended_studies_are_left_over(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session, status="cancelled")
        add_study(session, "b" * 32, status="running")
        add_trial(session, 0, "queued")
        add_trial(session, 1, "completed")
        add_trial(session, 2, "queued", study_id="b" * 32)
    with reading(engine) as session:
        assert [trial.trial_number for trial in trials.left_over(session, [])] == [0]
        assert trials.left_over(session, ["a" * 32]) == []
