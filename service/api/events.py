"""Events of a study as a stream (SSE): replayed from the table, then as they come.

    id: 17
    event: trial_reported
    data: {"study_id": "…", "created_at": "…", "trial_number": 3, …}

A client that lost its connection sends the last id back in Last-Event-ID.  The stream ends when
the study has ended and everything was sent, or the server stops.  A reader reads what it missed
from the table, then waits for what the hub finds for all readers of this process.  While it waits,
it holds no connection to the database, and every 15 s it sends a comment, so that proxies keep it
open.  One that takes nothing from its socket is cut off (`service.cli.processes.connections`).
"""

import re
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse

from service.api.context import Context, Ctx, Who
from service.api.event_source import has_ended, look, source_of
from service.api.openapi import EVENT_STREAM, PROBLEMS
from service.api.references import StudyId
from service.api.streaming.feeds import Frame
from service.api.streaming.streams import host_of
from service.api.studies import PREFIX
from service.auth.policy import READ
from service.errors import FieldError, InvalidRequest

LARGEST_ID = 2**63 - 1
HEARTBEAT = b": still here\n\n"

router = APIRouter(prefix=PREFIX, tags=["events"], responses=PROBLEMS)


@router.get(
    "/{study_id}/events",
    dependencies=READ,
    response_class=StreamingResponse,
    responses=EVENT_STREAM,
    operation_id="stream_events",
)
async def stream_events(
    study_id: StudyId,
    request: Request,
    context: Ctx,
    who: Who,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID, description="Id to go on after.")] = 0,
    last_event_id: Annotated[str | None, Header(description="The same; wins.")] = None,
) -> StreamingResponse:
    """Send the study's events after an id, and go on with new ones until it ends.

    Where some of them are not kept any more, it begins with `events_cleared`, which says so.
    """
    start = after if last_event_id is None else _event_id(last_event_id)
    # An unknown study is a problem, not a stream.
    await context.feeds.apart(partial(has_ended, context, study_id))
    context.streams.check(who.api_key_id or host_of(request))
    return StreamingResponse(
        _counted(context, who.api_key_id or host_of(request), _stream(context, study_id, start)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _counted(
    context: Context, reader: str, stream: AsyncIterator[bytes]
) -> AsyncIterator[bytes]:
    with context.streams.open(reader):
        async for data in stream:
            yield data


async def _stream(context: Context, study_id: str, after: int) -> AsyncIterator[bytes]:
    with context.feeds.following(source_of(context), study_id) as (hub, reader):
        await hub.ready()
        asked = range(hub.last + 1, after + 1)  # not there yet: a client may name any id
        while not context.stopping.is_set():
            begun, known = hub.found_from(), set[int]()
            after = reader.catch_up(after)
            while True:
                missed = await context.feeds.apart(partial(look, context, study_id, after))
                if missed.frames:
                    yield _joined(missed.frames)
                    after = missed.frames[-1].event_id
                    known.update(f.event_id for f in missed.frames if f.event_id >= begun)
                if missed.ended:
                    return
                if missed.whole:
                    break
            while not reader.behind:
                if frames := [f for f in reader.take(known) if f.event_id not in asked]:
                    yield _joined(frames)
                    after = max(after, frames[-1].event_id)
                elif reader.ended or context.stopping.is_set():
                    return
                elif not await reader.wait(context.heartbeat_seconds):
                    yield HEARTBEAT


def _joined(frames: Sequence[Frame]) -> bytes:
    return b"".join(frame.data for frame in frames)


def _event_id(text: str) -> int:
    if re.fullmatch("[0-9]{1,19}", text) and int(text) <= LARGEST_ID:
        return int(text)
    rule = "must be the id of an event"
    raise InvalidRequest(f"Last-Event-ID: {rule}", [FieldError("header.Last-Event-ID", rule)])
