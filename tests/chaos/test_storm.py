"""A short storm on both databases, and that a storm is found out which loses something."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.chaos.storm.schedule import faults
from tests.chaos.storm.storm import Plot, rage, spec_of

pytestmark = pytest.mark.slow

SHORT = Plot(seed=1, studies=3, trials=20, kills=8, every_seconds=1.2, snapshot_seconds=4.0)


def test_a_storm_of_kills_loses_doubles_and_leaves_nothing(engine: Engine, tmp_path: Path) -> None:
    outcome = rage(SHORT, engine, tmp_path, lambda number: spec_of(number, 20, SHORT.seed))
    assert outcome.violations == [], json.dumps(outcome.faults)
    assert outcome.studies >= 3 and outcome.trials >= 60
    assert sum(outcome.signals.values()) >= 8
    assert set(outcome.exit_codes.values()) == {0}


def test_a_seed_gives_the_same_schedule() -> None:
    def first(seed: int) -> list[object]:
        schedule = faults(seed, every_seconds=1.0, stops=True)
        return [next(schedule) for _ in range(200)]

    assert first(3) == first(3) != first(4)
    assert {fault.kind for fault in first(3)} == {"worker", "dispatcher", "api", "mirror"}  # type: ignore[attr-defined]
