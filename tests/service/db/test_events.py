"""Events in the database."""

import json

import pytest
from sqlalchemy import Engine

from metaopt.errors import MetaoptError
from service.db.engine import reading, transaction
from service.db.events import append_event, events_after
from service.db.tables import Event
from service.events import EVENTS
from tests.fakes.rows import NOON, add_study
from tests.fakes.toy_cost import DEVICE_HOT

HOT = {"slot": "cuda:0", "celsius": 91.0}


def test_an_event_that_no_table_has_is_not_appended(engine: Engine) -> None:
    with transaction(engine) as session:
        study = add_study(session)
        with pytest.raises(MetaoptError, match="event must be one of .*, got 'device_hot'"):
            append_event(session, study.study_id, "device_hot", HOT, now=NOON)
        with pytest.raises(MetaoptError, match="event study_failed says error, got 'slot'"):
            append_event(session, study.study_id, "study_failed", HOT, now=NOON)


def test_an_event_of_somebody_else_is_appended_as_ours_are(engine: Engine) -> None:
    with transaction(engine) as session, EVENTS.including(DEVICE_HOT):
        append_event(session, add_study(session).study_id, "device_hot", HOT, now=NOON)
    with reading(engine) as session:
        events = [(event.kind, event.data) for event in events_after(session, "a" * 32, 0)]
    assert events[-1] == ("device_hot", HOT)


@pytest.mark.parametrize("value", ["\ud800", json.loads("[" * 500 + "]" * 500)])
def test_what_can_be_stored_can_be_read(engine: Engine, value: object) -> None:
    with transaction(engine) as session:
        add_study(session)
        session.add(Event(study_id="a" * 32, kind="odd", data={"it": value}, created_at=NOON))
    with reading(engine) as session:
        assert events_after(session, "a" * 32, 0)[-1].data == {"it": value}
