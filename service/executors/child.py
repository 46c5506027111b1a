"""A child process that is talked to: started, heard, killed.

It gets one end of a socket pair.  It leads a process group of its own, so Ctrl-C in a terminal does
not reach it while its parent drains, and whatever it started dies with it.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import IO

from service.executors.answers import ending
from service.executors.channel import Channel, Json

SEND_SECONDS = 60.0  # a message is small, and who lives reads it at once
END_SECONDS = 10.0  # SIGKILL waits for a driver or a file system that never returns


class ChildProcess:
    """A live process that runs a module of ours: `python -m MODULE FD PARENT_PID ARGUMENTS…`.

    Must be made by a thread that outlives it: the kernel kills a child with the thread (not only
    the process) that started it.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: IO[bytes],
    ) -> None:
        """Start the process; what it prints goes to `log`.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # this Python, words of ours
                [sys.executable, "-m", module, str(theirs.fileno()), str(os.getpid()), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                env=dict(environment),
                start_new_session=True,
            )
        self._channel = Channel(ours, SEND_SECONDS)

    @property
    def pid(self) -> int:
        """Return its process id."""
        return self._process.pid

    def send(self, message: Json) -> None:
        """Send one message; from any thread.

        Raises:
            ChannelClosed: it is dead, or does not read.
        """
        self._channel.send(message)

    def send_at_once(self, message: Json) -> bool:
        """Send one short message, if that needs no waiting; from any thread.

        Raises:
            ChannelClosed: it is dead.
        """
        return self._channel.send_at_once(message)

    def receive(self, patience: float, while_: Callable[[], bool] = lambda: True) -> Json:
        """Wait for one message.

        Args:
            patience: For how many seconds it may be silent.
            while_: Asked once a second: whether to wait on.

        Raises:
            ChannelClosed: it died before it said anything, or was waited for no longer.
            ChannelSilent: it lives, and said nothing for so long.
        """
        return self._channel.receive(lambda: self.alive() and while_(), patience)

    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def end(self) -> str:
        """Kill it and all it started, and return how it had ended: "exit code 1", "SIGKILL"."""
        if self.alive():
            try:
                self._process.wait(timeout=0.5)  # its end of the pair closes just before it ends
            except subprocess.TimeoutExpired:
                pass
        code = self._process.poll()
        how = "it stopped answering" if code is None else ending(code)
        self.kill()
        try:
            self._process.wait(timeout=END_SECONDS)
        except subprocess.TimeoutExpired:  # it is inside the kernel: nobody can do more
            how = f"{how}, and SIGKILL has not ended it"
        self._channel.close()
        return how

    def kill(self) -> None:
        """Kill it and all it started; safe from another thread."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
