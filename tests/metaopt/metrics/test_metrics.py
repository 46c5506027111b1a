"""Each metric beside an independent implementation in float64, and what all have in common."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from metaopt.errors import InvalidTasks
from metaopt.metrics.metric import Metric
from metaopt.metrics.registry import METRICS, default_metric

Array = np.ndarray


def accuracy(outputs: Array, y: Array) -> float:
    return sum(int(np.argmax(o)) == label for o, label in zip(outputs, y, strict=True)) / len(y)


def cross_entropy(outputs: Array, y: Array) -> float:
    total = 0.0
    for o, label in zip(outputs, y, strict=True):
        shares = np.exp(o - o.max()) / np.exp(o - o.max()).sum()
        total -= math.log(shares[label])
    return total / len(y)


def macro_f1(outputs: Array, y: Array) -> float:
    answers, scores = np.argmax(outputs, axis=1), []
    for label in sorted({*answers.tolist(), *y.tolist()}):
        hits = sum((answers == label) & (y == label))
        precision = hits / max(1, sum(answers == label))
        recall = hits / max(1, sum(y == label))
        both = precision + recall
        scores.append(2 * precision * recall / both if both else 0.0)
    return float(np.mean(scores))


def mse(outputs: Array, y: Array) -> float:
    return float(np.mean([(o - t) ** 2 for o, t in zip(outputs.ravel(), y.ravel(), strict=True)]))


def mae(outputs: Array, y: Array) -> float:
    return float(np.mean([abs(o - t) for o, t in zip(outputs.ravel(), y.ravel(), strict=True)]))


def nmse(outputs: Array, y: Array) -> float:
    ratios = []
    for o, t in zip(outputs.T, y.T, strict=True):
        rest, whole = np.sum((o - t) ** 2), np.sum((t - np.mean(t)) ** 2)
        ratios.append(float(rest > 0) if len(set(t.tolist())) == 1 else rest / whole)
    return float(np.mean(ratios))


def mean_return(outputs: Array, y: Array) -> float:
    return sum(outputs.ravel().tolist()) / outputs.size


REFERENCES: dict[str, Callable[[Array, Array], float]] = {
    "accuracy": accuracy, "cross_entropy": cross_entropy, "macro_f1": macro_f1,
    "mse": mse, "mae": mae, "nmse": nmse, "return": mean_return,
}  # fmt: skip


def targets(metric: Metric, generator: np.random.Generator, *shape: int, width: int) -> Any:
    """Outputs and targets of random tasks (*shape, N, …)."""
    outputs = generator.normal(0, 3, (*shape, width))
    if metric.classification:
        return torch.tensor(outputs), torch.tensor(generator.integers(0, width, shape))
    return torch.tensor(outputs), torch.tensor(generator.normal(1, 2, (*shape, width)))


def test_every_metric_has_an_independent_implementation_here() -> None:
    assert set(REFERENCES) == set(METRICS.names())


@pytest.mark.parametrize("name", REFERENCES)
@given(
    seed=st.integers(0, 2**32), count=st.integers(2, 12), width=st.integers(1, 5),
    tasks=st.integers(1, 4),
)  # fmt: skip
def test_a_metric_is_the_independent_one(
    name: str, seed: int, count: int, width: int, tasks: int
) -> None:
    metric, generator = METRICS.get(name), np.random.default_rng(seed)
    outputs, y = targets(metric, generator, 2, tasks, count, width=width)
    scores = metric.scores(outputs, y)
    assert scores.shape == (2, tasks) and scores.dtype == torch.float64
    low, high = metric.possible
    for lane in range(2):
        for task in range(tasks):
            expected = REFERENCES[name](outputs[lane, task].numpy(), y[lane, task].numpy())
            assert scores[lane, task].item() == pytest.approx(expected, rel=1e-10, abs=1e-12)
            assert low <= scores[lane, task] <= high


@pytest.mark.parametrize("name", REFERENCES)
def test_lanes_may_share_their_tasks(name: str) -> None:
    metric = METRICS.get(name)
    outputs, y = targets(metric, np.random.default_rng(1), 3, 4, 6, width=3)
    shared = metric.scores(outputs, y[0])
    assert shared.shape == (3, 4)
    assert torch.equal(shared[2], metric.scores(outputs[2], y[0]))


@pytest.mark.parametrize(
    "name", [each.name for each in METRICS.kinds() if each.target == "numbers"]
)
def test_a_metric_of_numbers_depends_on_differences_and_has_the_power_of_its_unit(
    name: str,
) -> None:
    metric = METRICS.get(name)
    outputs, y = targets(metric, np.random.default_rng(1), 4, 6, width=1)
    scores = metric.scores(outputs, y)
    assert torch.allclose(metric.scores(outputs + 7, y + 7), scores)
    assert torch.allclose(metric.scores(outputs * 5, y * 5), scores * 5**metric.power)


def test_perfect_and_worthless_answers_have_the_scores_they_should() -> None:
    y = torch.arange(4).repeat(3)
    right = 50.0 * torch.nn.functional.one_hot(y, 4).double()
    none = torch.zeros(12, 4, dtype=torch.float64)
    for name, best, nothing in [
        ("accuracy", 1.0, 0.25),
        ("cross_entropy", 0.0, math.log(4)),
        ("macro_f1", 1.0, 0.1),  # all are called the first class: F1 2·3 / (12 + 3), and 0 thrice
    ]:
        assert METRICS.get(name).scores(right, y).item() == pytest.approx(best, abs=1e-12)
        assert METRICS.get(name).scores(none, y).item() == pytest.approx(nothing)
    numbers = torch.tensor([[1.0], [2.0], [6.0]], dtype=torch.float64)
    mean = numbers.mean().expand(3, 1)
    assert METRICS.get("nmse").scores(numbers, numbers).item() == 0.0
    assert METRICS.get("nmse").scores(mean, numbers).item() == pytest.approx(1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_of_equal_targets_a_normalised_error_is_0_or_1(dtype: torch.dtype) -> None:
    y = torch.full((3, 7, 2), 0.1, dtype=dtype)
    y[2, 0, 1] = 5.0
    outputs = y.clone()
    outputs[1, 0, 0] += 100.0
    assert METRICS.get("nmse").scores(outputs, y).tolist() == [0.0, 0.5, 0.0]


def test_numbers_that_are_none_stay_so() -> None:
    for metric in METRICS.kinds():
        if not metric.maximize:
            outputs, y = targets(metric, np.random.default_rng(1), 2, 6, width=3)
            outputs[0, 0, 0] = math.nan
            assert metric.scores(outputs, y).isnan().tolist() == [True, False]


def test_what_diverged_is_the_worst_there_is_and_finite() -> None:
    for metric in METRICS.kinds():
        low, high = metric.possible
        assert math.isfinite(metric.diverged) and low <= metric.diverged <= high
        assert not metric.maximize or metric.diverged == low


def test_defaults_and_needs() -> None:
    for target in ("classes", "numbers", "actions"):
        assert METRICS.get(default_metric(target)).target == target
    METRICS.get("nmse").check_queries(2)
    with pytest.raises(InvalidTasks, match=r"metric nmse needs evaluation.q_query >= 2, got 1"):
        METRICS.get("nmse").check_queries(1, "evaluation.")
    with pytest.raises(InvalidTasks, match="metric must be one of accuracy, .*, did you mean mae"):
        METRICS.get("maee")
