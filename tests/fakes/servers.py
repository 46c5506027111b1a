"""A real API process, and what a client sees of it, timed."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx2

from service.cli.commands.demo import free_port
from tests.waiting import wait_until


class Answer(NamedTuple):
    """What came back, and after how many seconds."""

    status: int
    body: Any
    headers: httpx2.Headers
    seconds: float


class ApiProcess:
    """`metaopt api` on a database with tables."""

    def __init__(
        self, database_url: str, data_directory: Path, port: int | None = None, **settings: str
    ) -> None:
        """Start it, with such settings (METAOPT_…), and wait until it answers."""
        data_directory.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("METAOPT_")}
        environment = {
            **inherited,
            "METAOPT_DATABASE_URL": database_url,
            "METAOPT_DATA_DIRECTORY": str(data_directory),
            **settings,
        }
        self.log_path = data_directory / "api.log"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service.cli", "api", "--port", str(self.port)],
                cwd=Path(__file__).parents[2],
                env=environment,
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        wait_until(self.is_up, 30, what="an API that answers")

    def is_up(self) -> bool:
        """Return whether it answers at all."""
        assert self.process.poll() is None, self.log_path.read_text()
        try:
            return self.send("GET", "/healthz").status == 200
        except httpx2.TransportError:
            return False

    def send(self, method: str, path: str, **arguments: Any) -> Answer:
        """Ask on a connection of its own, patiently."""
        with httpx2.Client(base_url=self.url, timeout=60, verify=False) as client:
            begin = time.monotonic()
            answer = client.request(method, path, **arguments)
            seconds = time.monotonic() - begin
        is_json = "json" in answer.headers.get("content-type", "")
        body = answer.json() if is_json else answer.text
        return Answer(answer.status_code, body, answer.headers, seconds)

    def send_all(self, asked: Sequence[tuple[str, str]]) -> list[Answer]:
        """Ask for all of it at once."""
        with ThreadPoolExecutor(len(asked)) as threads:
            return list(threads.map(lambda one: self.send(*one), asked))

    def until(self, is_so: Callable[[Answer], bool], method: str, path: str) -> float:
        """Return after how many seconds an answer is so for the first time."""
        begin = time.monotonic()
        wait_until(lambda: is_so(self.send(method, path)), 60, what=f"{method} {path}")
        return time.monotonic() - begin

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()
