"""Connections of the API's server: how long one may keep us waiting.

    open ──▶ head within 10 s ──▶ application ──▶ answer ──▶ keep-alive, head within 10 s of a byte
                                                   └── nothing taken for 30 s ──▶ cut off

uvicorn has a time for connections that are silent between requests, and none for a head that comes
byte by byte, nor for a client that does not read what it asked for, as a stream of events that
stands: its answer would be waited for until it goes away.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
STALLED_SECONDS = 30.0


class Connection(H11Protocol):
    """A connection that is closed when its client keeps us waiting."""

    _head: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._head = self._after(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that is whole is waited for no longer."""
        before = self.cycle
        if self._head is None and (before is None or before.response_complete):
            self._head = self._after(HEAD_SECONDS)
        super().data_received(data)
        if self.cycle is not before:
            _end(self._head)
            self._head = None

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        _end(self._stalled)
        self._stalled = self._after(STALLED_SECONDS)

    def resume_writing(self) -> None:
        """It has read."""
        _end(self._stalled)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        _end(self._head)
        _end(self._stalled)
        super().connection_lost(exc)

    def _after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)


def _end(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
