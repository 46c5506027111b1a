"""Feeds: the new events of all studies, looked for once for all who read them in this process.

    mo_events ──one look each poll──▶ hub ──by study──▶ reader, reader, reader, …

A hub looks for what is new while somebody reads, whatever study it is about, and hands each event
to the readers of its study; so a poll costs the same for one reader as for a thousand, and nobody
holds a connection to the database while waiting.  Of a reader that does not take what came, at most
`MOST_WAITING` events are kept; then it is behind, and reads the table by itself: a slow one costs
the others nothing.

Ids are given when an event is written, and on PostgreSQL transactions may be committed in another
order.  So a hub keeps which ids it has not seen below the greatest, and asks for those too, for as
long as a transaction may take.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import structlog
from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError

MOST_WAITING = 64
MOST_MISSING = 256
MOST_APART = 4
MISSING_SECONDS = 60.0
"""How long a transaction that has taken an id may still be committed."""

ENDED_SECONDS = 5.0
"""For which a look under way is waited for at the end."""

Result = TypeVar("Result")

log = structlog.get_logger("events")


class Frame(NamedTuple):
    """An event as it is sent."""

    event_id: int
    data: bytes


class News(NamedTuple):
    """An event of a study, and whether it ended it."""

    study_id: str
    frame: Frame
    ends: bool


class Look(NamedTuple):
    """Events of a study after an id, whether those are all so far, and all there will ever be."""

    frames: list[Frame]
    whole: bool
    ended: bool


class Source(NamedTuple):
    """Where the events of all studies come from.

    Args:
        latest: Reads the greatest ids, at most so many, in their order; called in a thread.
        look: Reads what comes after an id and what has one of some ids, in the order of ids, and
            whether that was all; called in a thread.
        pause: Waits until the next look is due, or the server is asked to stop.
        stopping: Whether it is.
    """

    latest: Callable[[int], Sequence[int]]
    look: Callable[[int, Sequence[int]], tuple[list[News], bool]]
    pause: Callable[[], Awaitable[None]]
    stopping: Callable[[], bool]


class Reader:
    """Somebody who follows a study: what has come and was not taken, and what has happened."""

    def __init__(self, study_id: str) -> None:
        """Nothing has come yet."""
        self.study_id = study_id
        self.behind = True
        self.ended = False
        self.failure: Exception | None = None
        self._frames: deque[Frame] = deque()
        self._lost: int | None = None  # of those that were dropped, the least id
        self._wake: asyncio.Future[bool] | None = None

    def catch_up(self, after: int) -> int:
        """Begin to wait for events anew; return after which id to read the table first.

        Args:
            after: The last id that was sent.  One that was dropped may be before it: it was late.
        """
        least = self._least()
        self.behind, self._lost = False, None
        self._frames.clear()
        return after if least is None else min(after, least - 1)

    def take(self, known: set[int]) -> list[Frame]:
        """What has come since, but for events that are known, which are forgotten."""
        frames = [frame for frame in self._frames if frame.event_id not in known]
        known.difference_update(frame.event_id for frame in self._frames)
        self._frames.clear()
        return frames

    async def wait(self, seconds: float) -> bool:
        """Wait for something to happen; return whether it did in time.

        Raises:
            Exception: What ended the hub.
        """
        happened = True
        if not (self._frames or self.behind or self.ended or self.failure):
            loop = asyncio.get_running_loop()
            self._wake = loop.create_future()
            timer = loop.call_later(seconds, _set, self._wake, False)
            try:
                happened = await self._wake
            finally:
                timer.cancel()
                self._wake = None
        if self.failure is not None:
            raise self.failure
        return happened

    def put(self, news: Sequence[News]) -> None:
        """Keep what has come, if it is not too much, and wake who waits for it."""
        if len(self._frames) + len(news) > MOST_WAITING:
            self._frames.extend(one.frame for one in news)
            self._lost = self._least()
            self._frames.clear()
            self.behind = True
        else:
            self._frames.extend(one.frame for one in news)
        self.ended = self.ended or any(one.ends for one in news)
        self.wake()

    def _least(self) -> int | None:
        ids = [frame.event_id for frame in self._frames]
        return min(ids if self._lost is None else [*ids, self._lost], default=None)

    def wake(self) -> None:
        """Have who waits look what has happened."""
        if self._wake is not None:
            _set(self._wake, True)


def _set(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)


class Hub:
    """What looks for new events in an event loop, while somebody reads."""

    def __init__(self, source: Source) -> None:
        """Begin, in the running loop."""
        self.readers: dict[str, set[Reader]] = {}
        self.count = 0
        self.failure: Exception | None = None
        self._source = source
        self.last = 0
        self._missing: dict[int, float] = {}  # ids, and until when they are looked for
        self._ready = asyncio.Event()
        self._closing = False
        self._pausing: asyncio.Future[None] | None = None
        self.task = asyncio.create_task(self._follow())

    async def ready(self) -> None:
        """Wait until everything that is written from now on will be found."""
        await self._ready.wait()
        if self.failure is not None:
            raise self.failure

    def found_from(self) -> int:
        """The least id that may still be found."""
        return min(self._missing, default=self.last + 1)

    def close(self) -> None:
        """Look no more, after a look under way: cut off, it would leave its connection behind."""
        self._closing = True
        if self._pausing is not None:
            self._pausing.cancel()

    async def _follow(self) -> None:
        try:
            await self._begin()
            while not (self._closing or self._source.stopping()):
                try:
                    whole = await self._look()
                except SQLAlchemyError as error:  # readers wait: what comes later is not lost
                    log.warning("events_not_read", error=type(error).__name__)
                    whole = True
                if whole and not self._closing:
                    self._pausing = asyncio.ensure_future(self._source.pause())
                    await asyncio.wait([self._pausing])
                    if not self._pausing.cancelled():
                        self._pausing.result()
        except Exception as error:  # it is raised where it is waited for
            self.failure = error
        self._ready.set()
        for readers in self.readers.values():
            for reader in readers:
                reader.failure = self.failure
                reader.wake()

    async def _begin(self) -> None:
        ids = await to_thread.run_sync(self._source.latest, MOST_MISSING)
        if ids:
            self.last = ids[-1]
            self._expect(set(range(ids[0], ids[-1])).difference(ids))
        self._ready.set()

    async def _look(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._missing = {one: until for one, until in self._missing.items() if until > now}
        news, whole = await to_thread.run_sync(self._source.look, self.last, list(self._missing))
        by_study: dict[str, list[News]] = {}
        for one in news:
            event_id = one.frame.event_id
            self._missing.pop(event_id, None)
            if event_id > self.last:
                self._expect(range(max(self.last + 1, event_id - MOST_MISSING), event_id))
                self.last = event_id
            by_study.setdefault(one.study_id, []).append(one)
        for study_id, some in by_study.items():
            for reader in self.readers.get(study_id, ()):
                reader.put(some)
        return whole

    def _expect(self, ids: Sequence[int] | set[int]) -> None:
        until = asyncio.get_running_loop().time() + MISSING_SECONDS
        self._missing |= dict.fromkeys(ids, until)
        for one in list(self._missing)[:-MOST_MISSING]:
            del self._missing[one]


class Feeds:
    """The hubs of a process, one for each event loop in which somebody reads."""

    def __init__(self) -> None:
        """None yet."""
        self._hubs: dict[AbstractEventLoop, Hub] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._limits: WeakKeyDictionary[AbstractEventLoop, CapacityLimiter] = WeakKeyDictionary()

    async def ended(self) -> None:
        """Wait for the looks under way in the running loop: they hold connections."""
        loop = asyncio.get_running_loop()
        if left := [task for task in self._tasks if task.get_loop() is loop]:
            await asyncio.wait(left, timeout=ENDED_SECONDS)

    async def apart(self, read: Callable[[], Result]) -> Result:
        """What a reader reads for itself, in a thread.

        Few do at once: a thousand that come at the same moment take no thread from whoever submits.
        """
        loop = asyncio.get_running_loop()
        if loop not in self._limits:
            self._limits[loop] = CapacityLimiter(MOST_APART)
        return await to_thread.run_sync(read, limiter=self._limits[loop])

    @contextmanager
    def following(self, source: Source, study_id: str) -> Iterator[tuple[Hub, Reader]]:
        """Yield a reader of a study and the hub that hands it what is new, in the running loop."""
        loop = asyncio.get_running_loop()
        hub = self._hubs.get(loop)
        if hub is None or hub.failure is not None:
            hub = self._hubs[loop] = Hub(source)
            self._tasks.add(hub.task)
            hub.task.add_done_callback(self._tasks.discard)
        reader = Reader(study_id)
        hub.readers.setdefault(study_id, set()).add(reader)
        hub.count += 1
        try:
            yield hub, reader
        finally:
            hub.readers[study_id].discard(reader)
            if not hub.readers[study_id]:
                del hub.readers[study_id]
            hub.count -= 1
            if hub.count == 0:
                hub.close()
                if self._hubs.get(loop) is hub:
                    del self._hubs[loop]
