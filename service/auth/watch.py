"""Watch: an answer under way ends when the key that asked for it is not valid any more.

    answer, answer, answer, … ──one look for all of them, four times a second──▶ valid, or cut

What ends a stream cannot be what it sends: one may say nothing for long.  While no answer is under
way nobody looks.  A look that finds no database ends nothing: who could revoke a key meanwhile?
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from anyio import CancelScope, CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError

LOOK_AGAIN_SECONDS = 0.25
"""Together with the half second for which keys are remembered, less than a second."""

Credential = TypeVar("Credential")
Sleep = Callable[[float], Awaitable[None]]


class Watched(Generic[Credential]):
    """An answer under way.

    Args:
        credential: By what it was let in.
        may_be_cut: Whether it may be stopped wherever it is; a change is carried out to its end.
    """

    def __init__(self, credential: Credential, *, may_be_cut: bool) -> None:
        """It is valid."""
        self.credential, self._may_be_cut = credential, may_be_cut
        self.scope = CancelScope()
        self.revoked = False

    def revoke(self) -> None:
        """End it."""
        self.revoked = True
        if self._may_be_cut:
            self.scope.cancel()


class Watch(Generic[Credential]):
    """What looks after the answers of a server.

    Args:
        valid: Those of some credentials that are valid now; called in a thread.
        sleep: Waits so many seconds in the running loop.
    """

    def __init__(
        self,
        valid: Callable[[set[Credential]], set[Credential]],
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._valid, self._sleep = valid, sleep
        self._looks: WeakKeyDictionary[asyncio.AbstractEventLoop, _Looks[Credential]]
        self._looks = WeakKeyDictionary()

    @contextmanager
    def over(self, credential: Credential, *, may_be_cut: bool) -> Iterator[Watched[Credential]]:
        """Watch what is done meanwhile in the running loop."""
        looks = self._looks.setdefault(asyncio.get_running_loop(), _Looks(self._valid, self._sleep))
        watched = Watched(credential, may_be_cut=may_be_cut)
        looks.under_way.add(watched)
        looks.begin()
        try:
            with watched.scope:
                yield watched
        finally:
            looks.under_way.discard(watched)


class _Looks(Generic[Credential]):
    """The answers under way in an event loop, and the task that looks while there are any."""

    def __init__(self, valid: Callable[[set[Credential]], set[Credential]], sleep: Sleep) -> None:
        self._valid, self._sleep = valid, sleep
        self._limiter = CapacityLimiter(1)  # no thread of those that answer
        self._task: asyncio.Task[None] | None = None
        self.under_way: set[Watched[Credential]] = set()

    def begin(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while self.under_way:
            await self._sleep(LOOK_AGAIN_SECONDS)
            asked = {one.credential for one in self.under_way}
            try:
                valid = await to_thread.run_sync(self._valid, asked, limiter=self._limiter)
            except SQLAlchemyError:
                continue
            for one in list(self.under_way):
                if one.credential in asked - valid:
                    one.revoke()
