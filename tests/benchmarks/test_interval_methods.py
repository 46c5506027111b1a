"""The comparison of methods that ADR 0015 follows from."""

import pytest

from benchmarks import interval_methods


@pytest.mark.parametrize("samples", [60, pytest.param(1000, marks=pytest.mark.night)])
def test_ours_covers_and_student_does_not_where_losses_are_skewed(samples: int) -> None:
    tasks = interval_methods.task_coverage(samples)["LN(1.5)"]
    assert tasks["ours"] > tasks["Student"] and tasks["ours"] > 0.88
    seeds = interval_methods.seed_coverage(samples, 3)["equal"]
    statistics = interval_methods.statistic_coverage(10)
    page = interval_methods.text({"LN(1.5)": tasks}, {3: {"equal": seeds}}, statistics, samples)
    assert "equal, 3 seeds" in page and "bootstrap-t" in page
