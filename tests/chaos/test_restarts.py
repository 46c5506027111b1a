"""PostgreSQL restarted 20 times; 100 times, and further apart, is `make chaos-night`."""

import json
from pathlib import Path

import pytest

from service.db.engine import open_engine
from tests.chaos.restarts.restarts import Restarts, restart_again_and_again
from tests.fakes.clusters import cluster

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

# What is promised is 5, 5 and 0.1, and measured where nothing else runs; here other tests do.
FEW = Restarts(
    seed=1, restarts=20, every_seconds=0.5, down_seconds=0.5, rest_seconds=2.0,
    soon_seconds=30.0, back_seconds=30.0, at_once_seconds=1.5, studies=2, trials=6,
)  # fmt: skip


def test_restarts_of_postgres_lose_nothing_and_are_told_as_try_again(tmp_path: Path) -> None:
    with cluster() as postgres:
        engine = open_engine(postgres.url)
        outcome = restart_again_and_again(FEW, postgres, engine, tmp_path)
        engine.dispose()
    assert outcome.violations == [], json.dumps(outcome.faults)
    assert outcome.signals == {"restart": 20}
    assert set(outcome.exit_codes.values()) == {0}
    studies = outcome.figures["/api/v1/studies"]["answers"]
    assert set(studies) == {"200", "503"}
