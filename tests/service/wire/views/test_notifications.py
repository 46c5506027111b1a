"""Notifications: one form for webhooks and logs, from rows and from what the API shows."""

import json
import math
from typing import Any, NamedTuple

import pytest
from pydantic import ValidationError

from service.events import notifying
from service.wire.views.notifications import notification, notification_of_test
from service.wire.views.studies import EventView
from tests.fakes.rows import NOON


class Study(NamedTuple):
    name: str
    status: str


STUDY = Study("sinusoid", "completed")


def event(kind: str = "study_completed", **data: Any) -> EventView:
    return EventView(event_id=1, study_id="a" * 32, kind=kind, data=data, created_at=NOON)


def test_a_notification_is_versioned_and_names_the_study() -> None:
    told = notification(event(gates=["accuracy"], margin=0.5), STUDY)
    assert json.loads(told.model_dump_json()) == {
        "schema_version": 1,
        "event": "study_completed",
        "study_id": "a" * 32,
        "name": "sinusoid",
        "status": "completed",
        "data": {"gates": ["accuracy"], "margin": 0.5},
        "created_at": "2026-01-02T12:00:00Z",
    }


def test_every_kind_that_is_told_has_one() -> None:
    assert [notification(event(kind), STUDY).event for kind in notifying()] == notifying()


def test_other_kinds_have_none() -> None:
    with pytest.raises(ValidationError, match="trial_started"):
        notification(event("trial_started"), STUDY)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_refused(number: float) -> None:
    with pytest.raises(ValidationError, match="finite"):
        notification(event(deep=[{"score": number}]), STUDY)


def test_a_test_has_no_study() -> None:
    told = notification_of_test(NOON)
    assert (told.event, told.study_id, told.name, told.status) == ("test", None, None, None)
