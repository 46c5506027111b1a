"""What an endpoint is handed: the engine, the time, who asks, and whether we are stopping."""

import asyncio
import math
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, cast

from fastapi import Depends, Request
from sqlalchemy import Engine

from metaopt.data.store import DataStore
from service.api.feeds import Feeds
from service.api.streams import Streams
from service.auth.keys import ANYONE, Identity
from service.errors import DatasetNotFound
from service.notifications.config import Listed
from service.planning.door import MostCost
from service.wire.spec.size import MOST_LANE_BYTES

SIGNALS = (signal.SIGINT, signal.SIGTERM)
POLL_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
MOST_STREAMS = 100
MOST_QUEUED = 10_000


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
        most_cost: What trials of a spec may need.
        data_sets: Directory of the data sets that specs may name; None has none.
        upload_bytes: Most bytes of the arrays of a data set that is sent here.
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
    most_cost: MostCost = MostCost(MOST_LANE_BYTES, math.inf)
    data_sets: Path | None = None
    upload_bytes: int = 0

    def store(self) -> DataStore:
        """The data sets.

        Raises:
            DatasetNotFound: The application was built without.
        """
        if self.data_sets is None:
            raise DatasetNotFound("this server has no directory of data sets")
        return DataStore(self.data_sets)

    def staying(self) -> AbstractContextManager[None]:
        """Hold that no data set is removed between being looked up and being named by a row."""
        return nullcontext() if self.data_sets is None else self.store().staying()


def get_context(request: Request) -> Context:
    """The context that `create_app` put into the application."""
    return cast(Context, request.app.state.context)


def get_identity(request: Request) -> Identity:
    """Return who asks; the gate has put it there."""
    return cast(Identity, request.scope.get("identity", ANYONE))


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
