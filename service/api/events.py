"""Events of a study as a stream (SSE): replayed from the table, then as they come.

    id: 17
    event: trial_reported
    data: {"study_id": "…", "created_at": "…", "trial_number": 3, …}

A client that lost its connection sends the last id back in Last-Event-ID.  The stream ends when
the study has ended and everything was sent, or the server stops.  A reader reads what it missed
from the table, then waits for what the study's feed finds for all of its readers.  While it waits,
it holds no connection to the database, and every 15 s it sends a comment, so that proxies keep it
open.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from service.api.context import Context, Ctx
from service.api.event_source import source_of
from service.api.feeds import Frame
from service.api.openapi import EVENT_STREAM, PROBLEMS
from service.api.references import StudyId
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
def stream_events(
    study_id: StudyId,
    context: Ctx,
    after: Annotated[int, Query(ge=0, le=LARGEST_ID, description="Id to go on after.")] = 0,
    last_event_id: Annotated[str | None, Header(description="The same; wins.")] = None,
) -> StreamingResponse:
    """Send the study's events after an id, and go on with new ones until it ends."""
    start = after if last_event_id is None else _event_id(last_event_id)
    source_of(context, study_id).look(start)  # an unknown study is a problem, not a stream
    return StreamingResponse(
        _stream(context, study_id, start),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(context: Context, study_id: str, after: int) -> AsyncIterator[bytes]:
    source = source_of(context, study_id)
    while not context.stopping.is_set():
        missed = await to_thread.run_sync(source.look, after)
        if missed.frames:
            yield _joined(missed.frames)
            after = missed.frames[-1].event_id
        if missed.ended:
            return
        if missed.frames:
            continue
        begin = min(after, await to_thread.run_sync(source.last))  # a client may name any id
        with context.feeds.reading(source, begin) as feed:
            if not feed.has_all_after(after):
                await source.pause()
            while feed.has_all_after(after):
                if frames := feed.frames_after(after):
                    yield _joined(frames)
                    after = frames[-1].event_id
                elif feed.ended or context.stopping.is_set():
                    return
                elif not await feed.wait(context.heartbeat_seconds):
                    yield HEARTBEAT


def _joined(frames: Sequence[Frame]) -> bytes:
    return b"".join(frame.data for frame in frames)


def _event_id(text: str) -> int:
    if re.fullmatch("[0-9]{1,19}", text) and int(text) <= LARGEST_ID:
        return int(text)
    rule = "must be the id of an event"
    raise InvalidRequest(f"Last-Event-ID: {rule}", [FieldError("header.Last-Event-ID", rule)])
