"""Events of a study as a stream (SSE): replayed from the table, then as they come.

    id: 17
    event: trial_reported
    data: {"study_id": "…", "created_at": "…", "trial_number": 3, …}

A client that lost its connection sends the last id back in Last-Event-ID.  The stream ends when
the study has ended and everything was sent, or the server stops.  While it waits, it holds no
connection to the database, and every 15 s it sends a comment, so that proxies keep it open.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Annotated

from anyio import to_thread
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from service.api.context import Context, Ctx, pause
from service.api.openapi import EVENT_STREAM, PROBLEMS
from service.api.references import StudyId
from service.api.studies import PREFIX
from service.db.engine import reading
from service.errors import FieldError, InvalidRequest
from service.operations import lookup
from service.operations.views import event_view
from service.wire.views.studies import EventView
from service.wire.words.instants import stamp

LARGEST_ID = 2**63 - 1
HEARTBEAT = ": still here\n\n"

router = APIRouter(prefix=PREFIX, tags=["events"], responses=PROBLEMS)


@router.get(
    "/{study_id}/events",
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
    _look(context, study_id, start)  # an unknown study is a problem, not a stream
    return StreamingResponse(
        _stream(context, study_id, start),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(context: Context, study_id: str, after: int) -> AsyncIterator[str]:
    silent_seconds = 0.0
    while not context.stopping.is_set():
        events, ended = await to_thread.run_sync(_look, context, study_id, after)
        for event in events:
            yield _frame(event)
            after, silent_seconds = event.event_id, 0.0
        if ended:
            return
        if not events:
            await pause(context, context.poll_seconds)
            silent_seconds += context.poll_seconds
        if silent_seconds >= context.heartbeat_seconds:
            yield HEARTBEAT
            silent_seconds = 0.0


def _look(context: Context, study_id: str, after: int) -> tuple[list[EventView], bool]:
    with reading(context.engine) as session:
        events, ended = lookup.glance(session, study_id, after)
        return [event_view(event) for event in events], ended


def _frame(event: EventView) -> str:
    data = {
        "study_id": event.study_id,
        "created_at": stamp(event.created_at),
        **event.data,
    }
    text = json.dumps(data, allow_nan=False)
    return f"id: {event.event_id}\nevent: {event.kind}\ndata: {text}\n\n"


def _event_id(text: str) -> int:
    if re.fullmatch("[0-9]{1,19}", text) and int(text) <= LARGEST_ID:
        return int(text)
    rule = "must be the id of an event"
    raise InvalidRequest(f"Last-Event-ID: {rule}", [FieldError("header.Last-Event-ID", rule)])
