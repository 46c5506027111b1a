"""Connections of the API's server: how long one may keep us waiting.

    open ──▶ head within 10 s ──▶ application ──▶ answer ──▶ keep-alive, head within 10 s of a byte
                                                   ├── nothing taken for 30 s ──▶ cut off
                                                   └── refused midway ──▶ read on for 2 s, end

uvicorn has a time for connections that are silent between requests, and none for a head that comes
byte by byte, nor for a client that does not read what it asked for, as a stream of events that
stands: its answer would be waited for until it goes away.  And it closes at once behind an answer
that ends a connection: a client that still sends then has its line cut by the system before it
reads why it was refused (RFC 9112, section 9.6), so here our half is closed first.
"""

import asyncio
from typing import Any, cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
STALLED_SECONDS = 30.0
LINGER_SECONDS = 2.0


class Connection(H11Protocol):
    """A connection that is closed when its client keeps us waiting."""

    _head: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a head."""
        super().connection_made(cast(asyncio.Transport, _Lingering(transport, self)))
        self._head = self._after(HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that is whole is waited for no longer."""
        if self.transport.is_closing():
            return  # the rest of what was refused
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

    def is_midway(self) -> bool:
        """Whether the client may still be sending: a body, or what is no request."""
        return self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def linger(self) -> None:
        """Wait for the client's end a moment more, and no longer for a head."""
        _end(self._head)
        self._head = self._after(LINGER_SECONDS)

    def _after(self, seconds: float) -> asyncio.TimerHandle:
        return self.loop.call_later(seconds, self.transport.abort)


class _Lingering:
    """A transport that reads on for a moment where it is closed on a client that still sends."""

    def __init__(self, transport: Any, connection: Connection) -> None:
        self._transport, self._connection = transport, connection
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        if self.is_closing() or not self._connection.is_midway():
            self._transport.close()
            return
        self._closing = True
        if self._transport.can_write_eof():  # TLS cannot
            self._transport.write_eof()
        self._transport.resume_reading()
        self._connection.linger()


def _end(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
