"""Where the events of a study come from: its rows, as they are sent; and a wait for its end."""

import asyncio
import json
from functools import partial

from anyio import to_thread

from service.api.context import Context, pause
from service.api.feeds import Frame, Look, Source
from service.db.engine import reading
from service.db.events import last_event
from service.operations import lookup
from service.operations.views import event_view
from service.wire.views.studies import EventView
from service.wire.words.instants import stamp


def source_of(context: Context, study_id: str) -> Source:
    """Where the study's events come from."""
    return Source(
        study_id,
        look=partial(_look, context, study_id),
        last=partial(_last, context, study_id),
        pause=partial(pause, context, context.poll_seconds),
        stopping=context.stopping.is_set,
    )


def _look(context: Context, study_id: str, after: int) -> Look:
    with reading(context.engine) as session:
        events, ended = lookup.glance(session, study_id, after)
        return Look([_frame(event_view(event)) for event in events], ended)


async def until_ended(context: Context, study_id: str, seconds: float) -> None:
    """Wait until the study has ended, the server stops, or so many seconds are over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    source = source_of(context, study_id)
    last = await to_thread.run_sync(source.last)
    with context.feeds.reading(source, last) as feed:
        while not (feed.ended or context.stopping.is_set()):
            left = deadline - loop.time()
            if left <= 0:
                return
            await feed.wait(left)


def _last(context: Context, study_id: str) -> int:
    with reading(context.engine) as session:
        return last_event(session, study_id)


def _frame(event: EventView) -> Frame:
    data = {
        "study_id": event.study_id,
        "created_at": stamp(event.created_at),
        **event.data,
    }
    text = json.dumps(data, allow_nan=False)
    frame = f"id: {event.event_id}\nevent: {event.kind}\ndata: {text}\n\n"
    return Frame(event.event_id, frame.encode())
