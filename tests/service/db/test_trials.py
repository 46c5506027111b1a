"""Trials' rows: which moves are possible, and what a new dispatcher finds."""

import pytest
from sqlalchemy import Engine, select

from service.db import trials
from service.db.engine import reading, transaction
from service.db.states import AttemptOutcome, TrialStatus
from service.db.tables import Attempt, Trial
from tests.fakes.rows import NOON, add_study, add_trial


def test_a_terminal_trial_never_changes(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        trial_id = add_trial(session, 0, "completed").trial_id
        add_trial(session, 1, "queued")
    with pytest.raises(trials.IllegalTransition, match="from completed to running"):
        with transaction(engine) as session:
            trials.begin_attempt(session, trial_id, 1, epoch=1, slot="cpu:0", now=NOON)
    with reading(engine) as session:
        assert session.scalars(select(Attempt)).all() == []


def test_what_an_older_dispatcher_left_running_is_requeued_and_not_a_loss(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        old = add_trial(session, 0, "queued", meta_iteration=40, checkpoint="x").trial_id
        trials.begin_attempt(session, old, 1, epoch=1, slot="cpu:0", now=NOON)
    with transaction(engine) as session:
        assert trials.close_older_attempts(session, 2, now=NOON) == 1
    with reading(engine) as session:
        trial = session.get_one(Trial, old)
        assert (trial.status, trial.meta_iteration, trial.checkpoint) == ("queued", 40, "x")
        attempt = session.scalars(select(Attempt)).one()
        assert (attempt.outcome, attempt.cause) == ("lost", trials.REPLACED)
        assert attempt.ended_at is not None
        assert not trials.is_loss(attempt)


def test_an_ended_trial_names_no_checkpoint(engine: Engine) -> None:
    with transaction(engine) as session:
        add_study(session)
        trial_id = add_trial(session, 0, "queued", checkpoint="x").trial_id
        trials.begin_attempt(session, trial_id, 1, epoch=1, slot="cpu:0", now=NOON)
        trials.end_trial(session, trial_id, TrialStatus.PRUNED, now=NOON)
        end = trials.AttemptEnd(trial_id, 1, AttemptOutcome.FINISHED)
        trials.end_attempts(session, [end], now=NOON)
    with reading(engine) as session:
        trial = session.get_one(Trial, trial_id)
        assert (trial.status, trial.checkpoint) == ("pruned", None)


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
