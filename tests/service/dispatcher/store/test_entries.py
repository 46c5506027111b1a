"""Entries: which files are still needed once a trial has ended."""

import pytest

from service.db.states import TrialStatus
from service.dispatcher.store.entries import keeps_file
from tests.fakes import states


@pytest.mark.parametrize(
    ("role", "kept"),
    [
        ("search", False),
        ("replica", False),
        ("verdict", True),
        ("candidate", True),
        ("incumbent", True),
    ],
)
def test_the_file_of_a_fresh_training_is_kept_if_it_reached_its_end(role: str, kept: bool) -> None:
    trial = states.trial()
    trial.group = trial.group._replace(role=role)
    assert keeps_file(trial, TrialStatus.COMPLETED) is kept
    assert not keeps_file(trial, TrialStatus.DIVERGED)
