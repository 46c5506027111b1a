"""What an endpoint is handed: the database as who asks may see it, the time, who that is.

    with context.reading() as session:     sees the project of who asks, and nothing else
    with context.changing() as session:    likewise, and leaves a row in the audit log

`context.engine` sees everything: it is for what was found by one of the two before.
"""

import asyncio
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from prometheus_client import Histogram
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from metaopt.data.shelf import project_directory
from metaopt.data.store import DataStore
from service.api.streaming.feeds import Feeds
from service.api.streaming.streams import Streams
from service.auth.identity import ANYONE, Identity
from service.auth.policy import identity_of
from service.db import engine as engines
from service.db.access import audit
from service.db.access.projects import PROJECT
from service.db.tables import AuditRow
from service.default_project import DEFAULT_PROJECT
from service.errors import DatasetNotFound
from service.notifications.config import Listed
from service.operations.datasets import in_our_words
from service.operations.monitoring.latencies import request_seconds
from service.operations.room import Room
from service.planning.door import MostCost
from service.wire.spec.size import MOST_LANE_BYTES

SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
MOST_STREAMS = 100
MOST_QUEUED = 1000
MOST_SCHEDULES = 100


@dataclass(frozen=True)
class Context:
    """What the application was built with.

    Args:
        engine: The database.
        now: The time, UTC-aware.
        stopping: Set when the server is asked to stop: streams and long polls end.
        poll_seconds: Time between two looks at the database for whoever waits for news of a study.
        heartbeat_seconds: Longest silence of a stream.
        webhooks: Those that are configured, without their secrets.
        feeds: New events of studies, for those who wait for them.
        streams: The event streams that are open.
        queued_per_key: Most studies of one API key in the queue.
        schedules_per_key: Most active schedules of one API key.
        most_cost: What trials of a spec may need.
        data_sets: Directory of the data sets that specs may name; None has none.
        room: What data sets that are sent here may take.
        request_seconds: How long requests have waited for their answers here.
        who: Who asks, in this request.
        action: What they ask for, as `POST /api/v1/studies/{study_id}:pause`.
        path: Of the request.
    """

    engine: Engine
    now: Callable[[], datetime]
    stopping: threading.Event = field(default_factory=threading.Event)
    poll_seconds: float = POLL_SECONDS
    heartbeat_seconds: float = HEARTBEAT_SECONDS
    webhooks: Sequence[Listed] = ()
    feeds: Feeds = field(default_factory=Feeds)
    streams: Streams = field(default_factory=lambda: Streams(MOST_STREAMS))
    queued_per_key: int = MOST_QUEUED
    schedules_per_key: int = MOST_SCHEDULES
    most_cost: MostCost = MostCost(MOST_LANE_BYTES, math.inf)
    data_sets: Path | None = None
    room: Room = Room()
    request_seconds: Histogram = field(default_factory=request_seconds)
    who: Identity = ANYONE
    action: str = ""
    path: str = ""

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the project of who asks."""
        with engines.reading(self.engine) as session:
            session.info[PROJECT] = self.who.project
            yield session

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """Yield a session whose work is committed with a row of the audit log, or not at all."""
        with engines.transaction(self.engine) as session:
            session.info[PROJECT] = self.who.project
            yield session
            audit.add_row(session, self._audit_row(audit.noted(session)))

    def record(self, **changed: Any) -> None:
        """Leave a row in the audit log of what is about to be changed beside the database."""
        with self.changing() as session:
            audit.note(session, **changed)

    def _audit_row(self, changed: dict[str, Any]) -> AuditRow:
        return AuditRow(
            created_at=self.now(),
            request_id=self.who.request_id,
            api_key_id=self.who.api_key_id,
            key_name=self.who.name,
            via=self.who.via,
            project=self.who.project,
            action=self.action,
            object=self.path,
            changed=changed or None,
        )

    def store(self) -> DataStore:
        """The data sets of the project of who asks.

        Raises:
            DatasetNotFound: The application was built without.
        """
        directory = self.data_directory()
        if directory is None:
            raise DatasetNotFound("this server has no directory of data sets")
        return DataStore(directory)

    def data_directory(self) -> Path | None:
        """Where the data sets of the project of who asks are."""
        if self.data_sets is None or self.who.project == DEFAULT_PROJECT:
            return self.data_sets
        return project_directory(self.data_sets, self.who.project)

    @contextmanager
    def staying(self) -> Iterator[None]:
        """Hold that no data set is removed between being looked up and being named by a row.

        Raises:
            StorageUnavailable: One is being removed, and that goes on for long.
        """
        with ExitStack() as stack:
            if self.data_sets is not None:
                with in_our_words():
                    stack.enter_context(self.store().staying())
            yield


async def get_context(request: Request) -> Context:
    """The context that `create_app` put into the application, for who asks."""
    return context_of(request)


def record_change(request: Request) -> None:
    """Leave a row in the audit log of a change by what is mounted beside our routes."""
    context_of(request).record()


def context_of(request: Request) -> Context:
    """The context of a request."""
    context = cast(Context, request.app.state.context)
    route = getattr(request.scope.get("route"), "path", request.url.path)
    return replace(
        context,
        who=identity_of(request),
        action=f"{request.method} {route}",
        path=request.url.path,
    )


async def get_identity(request: Request) -> Identity:
    """Return who asks; the gate has put it there."""
    return identity_of(request)


Ctx = Annotated[Context, Depends(get_context)]
Who = Annotated[Identity, Depends(get_identity)]


async def pause(context: Context, seconds: float) -> None:
    """Wait, but not much longer than until the server is asked to stop."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not context.stopping.is_set():
        left = deadline - asyncio.get_running_loop().time()
        if left <= 0:
            return
        await asyncio.sleep(min(left, POLL_SECONDS))


@contextmanager
def stop_on_signals(stopping: threading.Event) -> Iterator[None]:
    """Set `stopping` on SIGINT and SIGTERM, before the server's own handlers run.

    A server waits for its open streams before it tells the application that it stops; streams
    wait for news.  Only the signal comes early enough to end them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.getsignal(number) for number in SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        stopping.set()
        before: Any = previous[signal.Signals(number)]
        if callable(before):
            before(number, frame)

    installed = [number for number in SIGNALS if callable(previous[number])]
    for number in installed:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in installed:
            signal.signal(number, previous[number])
