"""Feeds: the new events of a study, looked for once for all who read them in this process.

    mo_events ──a look each poll──▶ feed: the latest frames ──▶ reader, reader, reader, …

A reader that has just come, or is further behind than the frames that a feed keeps, reads the
table by itself until it has caught up: a slow one costs the others nothing.  A feed begins with
its first reader and ends with its last; between looks it holds no connection to the database.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from anyio import to_thread

MOST_FRAMES = 1000


class Frame(NamedTuple):
    """An event as it is sent."""

    event_id: int
    data: bytes


class Look(NamedTuple):
    """Events after an id, and whether there will never be more."""

    frames: list[Frame]
    ended: bool


class Source(NamedTuple):
    """Where the events of a study come from.

    Args:
        study_id: The study.
        look: Reads what comes after an id; called in a thread.
        last: Reads the id of the latest event; called in a thread.
        pause: Waits until the next look is due, or the server is asked to stop.
        stopping: Whether it is.
    """

    study_id: str
    look: Callable[[int], Look]
    last: Callable[[], int]
    pause: Callable[[], Awaitable[None]]
    stopping: Callable[[], bool]


class Feed:
    """The latest events of a study, followed from those after an id."""

    def __init__(self, source: Source, after: int) -> None:
        """Begin to follow, in the running loop."""
        self.ended = False
        self.failure: Exception | None = None
        self.readers = 0
        self._source = source
        self._frames: deque[Frame] = deque()
        self._gone = self._last = after  # ids up to the first are in no frame
        self._news = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._follow())

    def has_all_after(self, event_id: int) -> bool:
        """Whether every event after this id that was seen is still here."""
        return event_id >= self._gone

    def frames_after(self, event_id: int) -> list[Frame]:
        """Those that a reader at this id has not had."""
        if event_id >= self._last:
            return []
        return [frame for frame in self._frames if frame.event_id > event_id]

    async def wait(self, seconds: float) -> bool:
        """Wait for news, of events or of the end, and return whether there are some in time.

        Raises:
            Exception: What ended the feed, such as a look at the database that failed.
        """
        done = {self._news}
        if not self._task.done():
            done, _ = await asyncio.wait(done, timeout=seconds)
        if self.failure is not None:
            raise self.failure
        return bool(done)

    def close(self) -> None:
        """Follow no more."""
        self._task.cancel()

    async def _follow(self) -> None:
        try:
            while not (self.ended or self._source.stopping()):
                look = await to_thread.run_sync(self._source.look, self._last)
                self._take(look)
                if not look.frames:
                    await self._source.pause()
        except Exception as error:  # it is raised where it is waited for
            self.failure = error
        self._tell()

    def _take(self, look: Look) -> None:
        self.ended = look.ended
        for frame in look.frames:
            if len(self._frames) == MOST_FRAMES:
                self._gone = self._frames.popleft().event_id
            self._frames.append(frame)
            self._last = frame.event_id
        if look.frames:
            self._tell()

    def _tell(self) -> None:
        self._news.set_result(None)
        self._news = asyncio.get_running_loop().create_future()


class Feeds:
    """The feeds of a process that have readers."""

    def __init__(self) -> None:
        """None yet."""
        self._open: dict[tuple[AbstractEventLoop, str], Feed] = {}

    @contextmanager
    def reading(self, source: Source, after: int) -> Iterator[Feed]:
        """Yield the study's feed, a new one if nobody reads it in the running loop.

        Args:
            source: Of the study.
            after: Where a new feed begins: no later than at the study's latest event, or it would
                lack what others wait for.
        """
        key = asyncio.get_running_loop(), source.study_id
        feed = self._open.get(key)
        if feed is None or feed.failure is not None:
            feed = self._open[key] = Feed(source, after)
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if feed.readers == 0:
                feed.close()
                if self._open.get(key) is feed:
                    del self._open[key]
