"""Disks that are full, read-only or away for seconds; for a minute each in `make chaos-night`."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.outages.disks import outages_of_disks

pytestmark = pytest.mark.slow


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder outside of pytest's own, below which others may have a server."""
    with tempfile.TemporaryDirectory(prefix="metaopt-disks-") as name:
        yield Path(name)


@pytest.mark.disks
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_disks_that_fail_lose_nothing_and_cost_no_trial_anything(kind: str, place: Path) -> None:
    with outages_of_disks(kind, place, 3.0) as run:
        outcome = run.run()
    print(json.dumps(run.to_json()))
    assert outcome.violations == [], json.dumps(run.to_json())
    assert run.figures.faults == 4
