"""Lines to the database that break in every way, each once; a thousand by night."""

import json
from pathlib import Path

import pytest

from tests.chaos.outages.lines import outages_of_lines
from tests.fakes.clusters import cluster

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

EACH = ["cut", "stalled", "half-open up", "half-open down"]


def test_lines_that_break_fail_no_trial_and_double_nothing(tmp_path: Path) -> None:
    with cluster() as one, outages_of_lines(one, tmp_path, EACH) as run:
        outcome = run.run()
    print(json.dumps(run.to_json()))
    assert outcome.violations == [], json.dumps(run.to_json())
    assert run.figures.faults == len(EACH)
