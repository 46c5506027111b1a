"""A server that speaks S3, on this machine: a process of moto's, whose objects are in memory."""

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import suppress
from urllib.error import URLError

import pytest

from tests.waiting import wait_until

BUCKET = "blobs"
SECRET = "never-to-be-told"  # noqa: S105  # it is of this server


class ObjectServer:
    """The server; `close` it."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.variables = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "tests",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }
        self.start()

    def start(self) -> None:
        """Start it, without any object."""
        arguments = ["-H", "127.0.0.1", "-p", str(self.port)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, 60, what="an object store")
        request = urllib.request.Request(f"{self.url}/{BUCKET}", method="PUT")
        urllib.request.urlopen(request).close()

    def close(self) -> None:
        """Kill it; its objects are gone."""
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Have it answer nobody, until `thaw`."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it answer again, with all that it has."""
        os.kill(self._process.pid, signal.SIGCONT)

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have this process find it, as its users do: by variables."""
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)

    def _answers(self) -> bool:
        with suppress(URLError, ConnectionError):
            urllib.request.urlopen(self.url).close()
            return True
        return False
