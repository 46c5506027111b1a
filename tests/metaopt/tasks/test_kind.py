"""What a kind of tasks declares of its metrics."""

from dataclasses import replace

import pytest

from metaopt.errors import InvalidTasks
from metaopt.tasks.registry import TASKS
from tests.fakes.toys import PARABOLA

OMNIGLOT = TASKS.get("omniglot")


def test_several_metrics_are_an_option_and_a_single_one_is_none() -> None:
    assert "metric" not in PARABOLA.complete({})
    both = replace(PARABOLA, metrics=("mae", "mse"))
    assert both.complete({})["metric"] == "mae" == both.metric({}).name
    assert both.metric(both.complete({"metric": "mse"})).name == "mse"
    assert replace(both, metrics=("mse",)).options == PARABOLA.options
    again = replace(both, metrics=("mse", "nmse")).complete({})
    assert again["metric"] == "mse"


def test_what_a_task_is_told_by_follows_from_its_metrics() -> None:
    assert OMNIGLOT.classification({}) and OMNIGLOT.classes({"n_way": 7}) == 7
    assert not PARABOLA.classification({}) and PARABOLA.classes({}) == 1


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        (("mse", "accuracy"), "need metrics of classification or of regression, got mse, accuracy"),
        ((), "need metrics of classification or of regression, got none"),
        (("mes",), "metric must be one of .*, got 'mes', did you mean mse"),
    ],
)
def test_metrics_that_do_not_go_together_are_refused(
    metrics: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InvalidTasks, match=message):
        replace(PARABOLA, metrics=metrics)
