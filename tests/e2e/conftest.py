"""Dispatchers of a test's own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.processes import DispatcherProcess

Start = Callable[..., DispatcherProcess]


@pytest.fixture
def start(database_url: str, tmp_path: Path) -> Iterator[Start]:
    """Yield what starts a dispatcher on the test's database, with settings by name."""
    started: list[DispatcherProcess] = []

    def begin(**settings: str) -> DispatcherProcess:
        started.append(DispatcherProcess(database_url, tmp_path / "data", **settings))
        return started[-1]

    yield begin
    for process in started:
        process.close()
