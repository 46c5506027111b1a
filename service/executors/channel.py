"""Channel: JSON messages, one a line, over a socket pair.  Never a pickle."""

import json
import socket
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from typing import Any

Json = dict[str, Any]


class ChannelClosed(Exception):
    """The other side is gone."""


class Channel:
    """One end of a socket pair."""

    def __init__(self, connection: socket.socket) -> None:
        """Take over `connection`."""
        self._connection = connection
        self._pending = b""

    def send(self, message: Json) -> None:
        """Send one message.

        Raises:
            ValueError: a number in it is not finite.
            ChannelClosed: nobody reads.
        """
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        try:
            self._connection.sendall(line)
        except OSError as error:
            raise ChannelClosed(str(error)) from None

    def receive(self, still_there: Callable[[], bool] = lambda: True) -> Json:
        """Wait for one message.

        Args:
            still_there: Asked once a second: whether the other side still lives.  Its end of the
                pair may be held open by a process that it left behind.

        Raises:
            ChannelClosed: the other side is gone.
        """
        while b"\n" not in self._pending:
            alive = still_there()  # before reading: what it wrote before it died counts
            if not wait([self._connection], timeout=1.0):
                if alive:
                    continue
                raise ChannelClosed("the process ended")
            try:
                data = self._connection.recv(1 << 20)
            except OSError as error:
                raise ChannelClosed(str(error)) from None
            if not data:
                raise ChannelClosed("end of stream")
            self._pending += data
        line, self._pending = self._pending.split(b"\n", 1)
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
