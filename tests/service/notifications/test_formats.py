"""Messages to chat rooms: each room takes them, shows each name as it is, and calls nobody."""

import html
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from service.db.dispatcher import acquire
from service.db.engine import reading, transaction
from service.db.events import append_event
from service.db.tables import Delivery, Study
from service.notifications.formats import ELLIPSIS, FORMATS, OWN, media_type
from service.notifications.message import Message
from service.notifications.notifier import Notifier, new_delivery
from service.notifications.sender import Sender
from service.wire.views.notifications import notification_of_test
from tests.fakes.chats import ROOMS, judge, shown
from tests.fakes.receiver import Clock, Got, Receiver, receiving
from tests.fakes.rows import NOON, add_study, result
from tests.fakes.seen import EVIL
from tests.properties import examples

HOSTILE = (
    r"<!channel> & <https://evil.test|x> @everyone @here *b* _i_ ~s~ `c` [x](https://evil.test) "
    r"<@U123> <users/all> <at>All</at> ||spoiler|| # > :tada: &lt; \* \ 'q' ö 測試 🎉"
)
STUDY = "a" * 32
GATES = {
    "passed": False,
    "answers": [{"rule": "at-least:0.1", "answer": "fail", "why": "the score is 0.9"}],
    "undecided": "fail", "trial_number": 0, "baseline_name": None, "baseline": None,
    "candidate": {
        "branch": "maml", "params": {}, "score": None, "diverged_share": 0.0, "metrics": {},
        "runs": [],
    },
    "tasks": 400, "seeds": 5, "looks": 1, "bank": "b" * 64, "bank_looks": 1,
}  # fmt: skip
SERVER = "https://metaopt.example.com/lab"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # nothing here depends on the kind of database


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def got(room: str, message: Message) -> Got:
    chosen = FORMATS[room]
    assert chosen is not None
    return Got("/", {"Content-Type": media_type(room)}, chosen.body(message))


def notifier(engine: Engine, receiver: Receiver, room: str) -> Notifier:
    """Return a notifier of a room that has heard of nothing yet; the study is there."""
    receiver.judge = judge(room)
    with transaction(engine) as session:
        add_study(session, STUDY, name=HOSTILE, status="running")
        epoch = acquire(session, "this test", lambda holder: True)
    assert epoch is not None
    events = ("study_completed", "study_failed", "gate_failed")
    webhook = receiver.webhook(format=room, server_url=SERVER, secret=None, events=events)
    one = Notifier(engine, webhook, epoch, Sender().send, now=Clock(NOON))
    one.step()
    return one


def statuses(engine: Engine) -> list[tuple[str, str | None]]:
    with reading(engine) as session:
        rows = session.scalars(select(Delivery).order_by(Delivery.event_id)).all()
        return [(row.status, row.last_error) for row in rows]


def test_each_room_has_a_format_and_each_format_a_room() -> None:
    assert set(FORMATS) == {OWN, *ROOMS}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_takes_a_verdict_and_shows_the_name_as_it_is(
    engine: Engine, receiver: Receiver, room: str
) -> None:
    one = notifier(engine, receiver, room)
    with transaction(engine) as session:
        study = session.get_one(Study, STUDY)
        study.status, study.result = "completed", {**result(0), "gates": GATES}
        append_event(session, STUDY, "study_completed", {"trial_number": 0}, now=NOON)
        append_event(session, STUDY, "gate_failed", {"answers": {"at-least:0.1": "fail"}}, now=NOON)
    one.step()
    assert statuses(engine) == [("delivered", None)] * 2
    completed, failed = (shown(room, request) for request in receiver.got)
    assert completed.splitlines()[0] == f"{HOSTILE}: study completed."
    assert "The best configuration is trial 0 (maml)" in completed
    assert "Gates failed: trial 0, trained afresh" in completed
    assert failed.splitlines()[0] == f"{HOSTILE}: gates: at-least:0.1 fail."
    assert completed.splitlines()[-1] == failed.splitlines()[-1] == f"{SERVER}/#/studies/{STUDY}"
    assert "Metaopt-Signature" not in receiver.got[0].headers


@pytest.mark.parametrize("room", ROOMS)
def test_a_cause_that_is_too_long_loses_its_end_and_not_the_link(
    engine: Engine, receiver: Receiver, room: str
) -> None:
    one = notifier(engine, receiver, room)
    error = "\n".join(["Traceback \x1b[31m\u202e @everyone <b>&</b> *" + EVIL] * 400)
    with transaction(engine) as session:
        append_event(session, STUDY, "study_failed", {"error": error}, now=NOON)
    one.step()
    assert statuses(engine) == [("delivered", None)]
    first, last = shown(room, receiver.got[0]).splitlines()
    assert first.startswith(f"{HOSTILE}: study failed: Traceback [31m @everyone <b>&</b> *")
    assert first.endswith(ELLIPSIS) and len(first) > 800
    assert last == f"{SERVER}/#/studies/{STUDY}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_test_of_the_webhook_comes_in_its_format(
    engine: Engine, receiver: Receiver, room: str
) -> None:
    one = notifier(engine, receiver, room)
    with transaction(engine) as session:
        session.add(new_delivery("ci", notification_of_test(NOON), "d" * 32, NOON))
    one.step()
    assert statuses(engine) == [("delivered", None)]
    told = shown(room, receiver.got[0])
    assert told == f"metaopt: this is a test of the webhook, and it has arrived.\n{SERVER}"
    assert receiver.got[0].headers["Metaopt-Delivery"] == "d" * 32


def test_our_own_format_is_refused_by_every_room() -> None:
    """The fault that formats are for: no chat takes our own JSON."""
    own = json.dumps({"event": "study_failed", "name": "x", "data": {}}).encode()
    request = Got("/", {"Content-Type": "application/json"}, own)
    assert {room: judge(room)(request) for room in ROOMS} == dict.fromkeys(ROOMS, 400)


@settings(max_examples=examples(60), deadline=None, database=None, derandomize=True)
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1, max_size=5),
    times=st.sampled_from([1, 7, 400]),
    url=st.sampled_from([None, "https://metaopt.example.com/#/studies/1"]),
)
def test_any_text_is_taken_and_shown_as_it_is(
    texts: list[str], times: int, url: str | None
) -> None:
    message = Message(("metaopt:", *(text * times for text in texts)), url)
    plain = shown("text", got("text", Message(message.sentences)))
    for room in ROOMS:
        told = shown(room, got(room, message)).removesuffix(f"\n{url}" if url else "")
        if not told.endswith(ELLIPSIS) and not plain.endswith(ELLIPSIS):
            assert told == plain.replace("\u200b", "")


def test_what_looks_like_an_entity_stays_what_it_is() -> None:
    message = Message(("&lt;b&gt; &amp; <b>",))
    body: dict[str, Any] = json.loads(got("slack", message).body)
    assert html.unescape(body["text"]) == "&lt;b&gt; &amp; <b>"
