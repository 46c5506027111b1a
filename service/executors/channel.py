"""Channel: JSON messages, one a line, over a socket pair.  Never a pickle."""

import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from typing import Any

Json = dict[str, Any]

LOOK_SECONDS = 1.0
READ_BYTES = 2**16


class ChannelClosed(Exception):
    """The other side is gone."""


class ChannelSilent(Exception):
    """The other side is there and has said nothing for too long."""


class Channel:
    """One end of a socket pair.

    Args:
        connection: That end.
        send_seconds: How long the other side may take to read a message; None is as long as it
            likes.
    """

    def __init__(self, connection: socket.socket, send_seconds: float | None = None) -> None:
        """Take over `connection`."""
        connection.settimeout(send_seconds)
        self._connection = connection
        # One for good: a fresh megabyte for each message is cut short, and of what lies after it
        # the allocator gets nothing back for the next one.
        self._read = memoryview(bytearray(READ_BYTES))
        self._pending = bytearray()
        self._sending = threading.Lock()

    def send(self, message: Json) -> None:
        """Send one message; from any thread.

        Raises:
            ValueError: a number in it is not finite.
            ChannelClosed: nobody reads.
        """
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        with self._sending:
            self._send(line)

    def send_at_once(self, message: Json) -> bool:
        """Send one message, a short one, if that needs no waiting; return whether it is sent.

        Raises:
            ChannelClosed: nobody reads.
        """
        if not self._sending.acquire(blocking=False):
            return False
        try:
            room = select.poll()
            room.register(self._connection, select.POLLOUT)
            if not room.poll(0):
                return False
            self._send(json.dumps(message, allow_nan=False).encode() + b"\n")
        finally:
            self._sending.release()
        return True

    def _send(self, line: bytes) -> None:
        try:
            self._connection.sendall(line)
        except OSError as error:  # also that it took too long: a half is nothing
            raise ChannelClosed(str(error)) from None

    def receive(
        self, still_there: Callable[[], bool] = lambda: True, patience: float | None = None
    ) -> Json:
        """Wait for one message.

        Args:
            still_there: Asked once a second: whether the other side still lives.  Its end of the
                pair may be held open by a process that it left behind.
            patience: For how many seconds nothing may come; None is for ever.  Seconds in which
                this process stood still do not count, but for one or two.

        Raises:
            ChannelClosed: the other side is gone.
            ChannelSilent: nothing came for too long.
        """
        silent, known = 0.0, 0
        while (end := self._pending.find(b"\n", known)) < 0:
            known = len(self._pending)
            alive = still_there()  # before reading: what it wrote before it died counts
            begun = time.monotonic()
            if not wait([self._connection], timeout=LOOK_SECONDS):
                if not alive:
                    raise ChannelClosed("the process ended")
                silent += min(time.monotonic() - begun, 2 * LOOK_SECONDS)
                if patience is not None and silent >= patience:
                    raise ChannelSilent(f"nothing for {silent:.0f} s")
                continue
            silent = 0.0
            try:
                count = self._connection.recv_into(self._read)
            except OSError as error:
                raise ChannelClosed(str(error)) from None
            if not count:
                raise ChannelClosed("end of stream")
            self._pending += self._read[:count]
        line = self._pending[:end]
        del self._pending[: end + 1]
        message: Json = json.loads(line)
        return message

    def messages(self) -> Iterator[Json]:
        """Yield messages until the other side is gone."""
        while True:
            try:
                yield self.receive()
            except ChannelClosed:
                return

    def close(self) -> None:
        """Close this end."""
        self._connection.close()
