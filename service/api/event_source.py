"""Where events come from: rows, as they are sent; and a wait for the end of a study."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial

from service.api.context import Context, pause
from service.api.streaming.feeds import Frame, Look, News, Source
from service.db import events
from service.db.engine import reading
from service.db.states import TERMINAL_STUDIES
from service.operations import lookup
from service.operations.views import event_view
from service.wire.views.studies import EventView
from service.wire.words.instants import stamp

MOST_IN_A_LOOK = 1000
ENDING = frozenset(f"study_{status}" for status in TERMINAL_STUDIES)
"""Kinds of events that are a study's end."""


def source_of(context: Context) -> Source:
    """Where the events of all studies come from."""
    return Source(
        latest=partial(_latest, context),
        look=partial(_news, context),
        pause=partial(pause, context, context.poll_seconds),
        stopping=context.stopping.is_set,
    )


def look(context: Context, study_id: str, after: int) -> Look:
    """What a study's stream has to send after an id.

    Raises:
        StudyNotFound: There is none.
    """
    with reading(context.engine) as session:
        found, whole, ended = lookup.glance(session, study_id, after)
        return Look([_frame(event_view(event)) for event in found], whole, ended)


async def until_ended(context: Context, study_id: str, seconds: float) -> None:
    """Wait until the study has ended, the server stops, or so many seconds are over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with context.feeds.following(source_of(context), study_id) as (hub, reader):
        await hub.ready()
        if await context.feeds.apart(partial(has_ended, context, study_id)):
            return  # before anybody looked for its end
        while not (reader.ended or context.stopping.is_set()):
            left = deadline - loop.time()
            if left <= 0:
                return
            reader.catch_up(0)  # nothing but the end is of interest
            await reader.wait(left)


def has_ended(context: Context, study_id: str) -> bool:
    """Whether the study has.

    Raises:
        StudyNotFound: There is none.
    """
    with reading(context.engine) as session:
        return lookup.get_study(session, study_id).status in TERMINAL_STUDIES


def _latest(context: Context, most: int) -> Sequence[int]:
    with reading(context.engine) as session:
        return events.latest_ids(session, most)


def _news(context: Context, after: int, missing: Sequence[int]) -> tuple[list[News], bool]:
    with reading(context.engine) as session:
        rows = events.new_events(session, after, missing, limit=MOST_IN_A_LOOK)
        news = [News(row.study_id, _frame(event_view(row)), row.kind in ENDING) for row in rows]
    return news, len(rows) < MOST_IN_A_LOOK


def _frame(event: EventView) -> Frame:
    data = {
        "study_id": event.study_id,
        "created_at": stamp(event.created_at),
        **event.data,
    }
    text = json.dumps(data, allow_nan=False)
    frame = f"id: {event.event_id}\nevent: {event.kind}\ndata: {text}\n\n"
    return Frame(event.event_id, frame.encode())
