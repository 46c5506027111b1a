"""What the tests of the dispatcher's loop share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import Run, Running


@pytest.fixture
def run(engine: Engine, tmp_path: Path) -> Iterator[Run]:
    """Start dispatchers on one database; each must have ended without an error."""
    started: list[Running] = []

    def begin(executor: ScriptedExecutor) -> Running:
        started.append(Running(engine, tmp_path / "checkpoints", executor))
        return started[-1]

    yield begin
    for running in started:
        running.end()
        assert running.error is None
