"""Failovers of PostgreSQL; ten of them are `make chaos-night`'s."""

import json
from pathlib import Path

import pytest

from tests.chaos.outages.failovers import failovers

pytestmark = [pytest.mark.night, pytest.mark.postgres]


def test_a_failover_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    with failovers(tmp_path, 2) as run:
        outcome = run.run()
    print(json.dumps(run.to_json()))
    assert outcome.violations == [], json.dumps(run.to_json())
    assert run.figures.faults == 2
