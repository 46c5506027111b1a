"""An API that is killed while studies are submitted under keys: exactly one study for each."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.chaos.submissions.submissions import Plot, submit_under_kills

pytestmark = pytest.mark.slow

SHORT = Plot(seed=1, keys=40, kill_seconds=(1.0, 3.0))


def test_each_key_makes_one_study_however_often_the_api_is_killed(
    engine: Engine, tmp_path: Path
) -> None:
    outcome = submit_under_kills(SHORT, engine, tmp_path / "data")
    assert outcome.violations == []
    assert outcome.studies == SHORT.keys and outcome.kills >= 1
    assert outcome.answers["202"] >= 2 * SHORT.keys and outcome.answers["422"] >= SHORT.keys
