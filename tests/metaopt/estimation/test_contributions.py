"""Contributions: their mean is the statistic, their standard error its standard error."""

import numpy as np
import pytest

from metaopt.estimation.statistics import contributions, summarize

STATISTICS = ("mean", "median", "trimmed_mean")


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("tasks", [2, 5, 40, 101])
def test_their_mean_is_the_statistic(statistic: str, tasks: int) -> None:
    losses = np.random.default_rng(tasks).lognormal(size=tasks).tolist()
    found = contributions(losses, statistic)
    assert len(found) == tasks
    assert found.mean() == pytest.approx(getattr(summarize(losses), statistic))


@pytest.mark.parametrize("statistic", STATISTICS)
def test_their_spread_is_that_of_the_statistic_from_bank_to_bank(statistic: str) -> None:
    luck, tasks = np.random.default_rng(1), 100
    banks = [contributions(luck.lognormal(size=tasks).tolist(), statistic) for _ in range(400)]
    truly = np.std([bank.mean() for bank in banks])
    estimated = np.sqrt(np.mean([bank.var(ddof=1) / tasks for bank in banks]))
    assert estimated == pytest.approx(truly, rel=0.15)


def test_equal_losses_have_no_spread() -> None:
    for statistic in STATISTICS:
        assert contributions([0.5] * 30, statistic).tolist() == [0.5] * 30
