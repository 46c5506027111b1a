"""A line between a service and its database that can be cut, stall, and swallow what is sent.

    service ──TCP──▶ proxy ──▶ database

Whoever is at an end learns nothing that a network would not tell: a line that is cut resets both
ends, one that stalls holds back what is sent, and one that is half-open takes it and passes nothing
on, for ever, though both ends stay connected.
"""

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar

from sqlalchemy import make_url

PIECE_BYTES = 65536
Way = Literal["up", "down", "both"]
"""Which bytes: those to the database, those from it, or all."""

Result = TypeVar("Result")


class Proxy:
    """A line to a PostgreSQL; `close` it.

    Args:
        url: Of the database, whose server listens at a socket in a folder.
    """

    def __init__(self, url: str) -> None:
        """Listen."""
        parts = make_url(url)
        folder = parts.query["host"] if "host" in parts.query else parts.host
        self._socket = f"{folder}/.s.PGSQL.{parts.port or 5432}"
        self._lines: set[_Line] = set()
        self._swallowed: frozenset[str] = frozenset()  # of lines that are made from now on
        self._is_refusing = False
        self.cuts = 0  # that met a line
        listening = socket.create_server(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        self.url = parts.set(host="127.0.0.1", port=port, query={}).render_as_string(
            hide_password=False
        )
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._thread = threading.Thread(target=self._run, args=(listening,), daemon=True)
        self._thread.start()

    def cut(self) -> int:
        """Reset every line there is; return how many that were."""
        return self._call(self._cut)

    def refuse(self) -> None:
        """Reset every line there is, and every new one, until `mend`."""

        def work() -> None:
            self._is_refusing = True
            self._cut()

        self._call(work)

    def stall(self) -> None:
        """Hold back everything, also of new lines, until `mend`."""
        self._call(self._passing.clear)

    def swallow(self, way: Way) -> None:
        """Let all lines swallow for ever what goes that way; new ones do so until `mend`."""

        def work() -> None:
            self._swallowed = frozenset(("up", "down") if way == "both" else (way,))
            for line in self._lines:
                line.swallowed = self._swallowed

        self._call(work)

    def mend(self) -> None:
        """Let new lines be whole, and go on what stalled; what swallows does so for ever."""

        def work() -> None:
            self._swallowed, self._is_refusing = frozenset(), False
            self._passing.set()

        self._call(work)

    def close(self) -> None:
        """End all lines."""
        self.refuse()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _call(self, work: Callable[[], Result]) -> Result:
        async def in_loop() -> Result:
            return work()

        return asyncio.run_coroutine_threadsafe(in_loop(), self._loop).result(10)

    def _cut(self) -> int:
        lines, self._lines = self._lines, set()
        self.cuts += bool(lines)
        for line in lines:
            line.reset()
        return len(lines)

    def _run(self, listening: socket.socket) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._meet, sock=listening))
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(asyncio.sleep(0.05))  # for transports to close their sockets
        self._loop.close()
        listening.close()

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._is_refusing:
                raise OSError
            there = await asyncio.open_unix_connection(self._socket)
        except OSError:
            writer.transport.abort()
            return
        line = _Line((reader, writer), there, self._passing, self._swallowed)
        self._lines.add(line)
        try:
            await line.pump()
        finally:
            line.reset()
            self._lines.discard(line)


class _Line:
    """Two ends, and what is passed on between them."""

    def __init__(
        self, here: Any, there: Any, passing: asyncio.Event, swallowed: frozenset[str]
    ) -> None:
        self._ends = {"up": (here[0], there[1]), "down": (there[0], here[1])}
        self._passing = passing
        self.swallowed = swallowed

    def reset(self) -> None:
        for _, writer in self._ends.values():
            sock = writer.get_extra_info("socket")
            with suppress(OSError):  # a reset, not an end in good order
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()

    async def pump(self) -> None:
        """Pass on until both ends are closed, or either is reset."""
        await asyncio.gather(*(self._pass(way) for way in self._ends))

    async def _pass(self, way: str) -> None:
        reader, writer = self._ends[way]
        try:
            while piece := await reader.read(PIECE_BYTES):
                await self._passing.wait()
                if way not in self.swallowed:
                    writer.write(piece)
                    await writer.drain()
            await self._passing.wait()
            if way not in self.swallowed:  # else the other end never hears of it
                writer.close()
        except OSError:
            if way not in self.swallowed:
                self.reset()
