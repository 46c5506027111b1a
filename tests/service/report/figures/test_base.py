"""Axes of scores."""

import pytest

from metaopt.metrics.registry import METRICS
from service.report.figures.base import score_axis


@pytest.mark.parametrize("metric", METRICS.names())
def test_an_axis_says_which_way_is_better_and_errors_may_be_logarithmic(metric: str) -> None:
    axis = score_axis(metric, [0.01, 0.5])
    better = METRICS.get(metric).maximize
    assert axis["title"]["text"] == f"{metric} ({'more' if better else 'less'} is better)"
    assert (axis.get("tickformat") == ".0%") is METRICS.get(metric).percent
    assert (axis.get("type") == "log") is not better
