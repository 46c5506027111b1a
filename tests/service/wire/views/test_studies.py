"""The wire's own lists of statuses are those of the tables."""

from typing import get_args

from service.db import roles, states
from service.wire.views import studies


def test_statuses_on_the_wire_are_those_of_the_tables() -> None:
    assert get_args(studies.StudyStatus) == tuple(states.StudyStatus)
    assert get_args(studies.TrialStatus) == tuple(states.TrialStatus)
    assert get_args(studies.TrialRole) == tuple(roles.TrialRole)
