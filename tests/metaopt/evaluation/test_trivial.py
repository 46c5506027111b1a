"""Predictors that learn nothing but the support set."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from metaopt import BankSpec
from metaopt.errors import InvalidTasks
from metaopt.evaluation.curve import draw
from metaopt.evaluation.trivial import (
    TRIVIAL,
    class_frequencies,
    class_ridge,
    nearest_mean,
    ridge,
    support_mean,
    trivial_scores,
)
from metaopt.evaluation.trivial_names import trivial_names
from metaopt.tasks.base import Examples
from metaopt.tasks.dataset.tasks import DatasetTasks
from metaopt.tasks.regression import Linear
from tests.fakes.packed import images, table

BANK = BankSpec("test", seed=3, tasks=130, k_shot=4, q_query=6, steps=0)


@pytest.mark.parametrize("classification", [True, False])
def test_their_names_are_known_without_torch(classification: bool) -> None:
    target = "classes" if classification else "numbers"
    named = tuple(each.name for each in TRIVIAL if each.target == target)
    assert trivial_names(classification) == named


@pytest.mark.parametrize("features", [2, 9])
def test_ridge_is_least_squares_with_a_penalty_and_a_free_constant(features: int) -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(2, 1, (5, 4, features)), generator.normal(-3, 1, (5, 4, 2))
    asked = generator.normal(2, 1, (5, 3, features))
    got = ridge(Examples(torch.tensor(x), torch.tensor(y)), torch.tensor(asked), 2, strength=0.7)
    for task in range(5):  # by least squares alone: rows √λ·e_i with target 0 are the penalty
        rows = np.vstack([np.c_[x[task], np.ones(4)], np.eye(features, features + 1) * 0.7**0.5])
        whole = np.vstack([y[task], np.zeros((features, 2))])
        w = np.linalg.lstsq(rows, whole, rcond=None)[0]
        assert got[task].numpy() == pytest.approx(np.c_[asked[task], np.ones(3)] @ w, abs=1e-9)


def test_the_nearest_mean_is_that_of_a_loop_over_classes() -> None:
    generator = np.random.default_rng(1)
    x, asked = generator.normal(0, 1, (5, 6, 2, 3)), generator.normal(0, 1, (5, 4, 2, 3))
    y = np.array([[2, 0, 1, 1, 0, 2]] * 5)
    x, asked = x + 1e6, asked + 1e6  # far from 0, where squares cancel
    got = nearest_mean(Examples(torch.tensor(x), torch.tensor(y)), torch.tensor(asked), 3)
    for task in range(5):
        means = [x[task][y[task] == c].mean(0) for c in range(3)]
        origin = np.mean(means, 0)
        expected = [
            [((one - origin) ** 2).sum() - ((one - mean) ** 2).sum() for mean in means]
            for one in asked[task]
        ]
        assert got[task].numpy() == pytest.approx(np.array(expected), abs=1e-8)


def test_ridge_on_classes_is_least_squares_on_ones_and_zeros() -> None:
    generator = np.random.default_rng(1)
    x, asked = generator.normal(0, 1, (5, 7, 2, 3)), generator.normal(0, 1, (5, 4, 2, 3))
    y = np.array([[2, 0, 1, 1, 0, 2, 2]] * 5)
    got = class_ridge(Examples(torch.tensor(x), torch.tensor(y)), torch.tensor(asked), 3)
    for task in range(5):
        design = np.c_[x[task].reshape(7, 6), np.ones(7)]
        penalty = np.diag([1.0] * 6 + [0.0])  # the normal equations with a free constant
        w = np.linalg.solve(design.T @ design + penalty, design.T @ np.eye(3)[y[task]])
        expected = np.c_[asked[task].reshape(4, 6), np.ones(4)] @ w
        assert got[task].numpy() == pytest.approx(expected, abs=1e-9)


def test_class_frequencies_are_counted_once_more_each() -> None:
    labels = torch.tensor([[2, 0, 2, 2]])
    got = class_frequencies(Examples(torch.zeros(1, 4, 2), labels), torch.zeros(1, 3, 2), 3)
    assert got.exp()[0].numpy() == pytest.approx(np.array([[2, 1, 4]] * 3) / 7)


def test_a_task_whose_inputs_are_not_finite_is_a_result() -> None:
    class Broken(Linear):
        def sample(self, split, keys, k_shot, q_query):  # type: ignore[no-untyped-def]
            episodes = super().sample(split, keys, k_shot, q_query)
            episodes.support.x[0, 0, 0] = torch.inf
            episodes.support.x[1, 0, 0] = 3e38
            episodes.support.y[2, 0, 0] = torch.nan
            return episodes

    scores = trivial_scores(Broken(2), BANK)
    assert np.isfinite([*scores["ridge"], *scores["support_mean"]]).all()
    assert scores["ridge"][0] == scores["ridge"][2] == scores["support_mean"][2] == 1e6
    assert scores["support_mean"][:2] != [1e6, 1e6]


def test_inputs_of_one_number_or_of_whole_numbers_are_features_too() -> None:
    x, y = torch.tensor([[1, 2, 4]]), torch.tensor([[[1.0], [2.0], [4.0]]])
    for shaped in (x, x[..., None].float()):
        got = ridge(Examples(shaped, y), shaped, 1, strength=1e-9)
        assert got[0, :, 0].numpy() == pytest.approx([1, 2, 4], abs=1e-6)
    labels = torch.tensor([[0, 1, 2]])
    for predict in (nearest_mean, class_ridge):
        assert predict(Examples(x, labels), x, 3).argmax(-1).tolist()[0][::2] == [0, 2]


def test_without_support_examples_nothing_is_known_and_nothing_breaks() -> None:
    x = torch.rand(2, 3, 4)
    nothing = Examples(torch.zeros(2, 0, 4), torch.zeros(2, 0, 1))
    assert not support_mean(nothing, x, 1).any() and not ridge(nothing, x, 1).any()
    labels = Examples(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64))
    for predict in (nearest_mean, class_ridge, class_frequencies):
        outputs = predict(labels, x, 3)
        assert torch.allclose(outputs, outputs[..., :1].expand(2, 3, 3))


def test_they_are_scored_on_the_tasks_of_the_bank() -> None:
    scores = trivial_scores({"kind": "linear", "features": 2}, BANK)
    support, query = draw(Linear(2), BANK, "cpu")
    errors = (support.y.mean(1, keepdim=True) - query.y).square().mean((1, 2))
    assert set(scores) == {"support_mean", "ridge"} and len(scores["ridge"]) == 130
    assert scores["support_mean"] == pytest.approx(errors.tolist(), rel=1e-5)
    assert np.mean(scores["ridge"]) < np.mean(scores["support_mean"])
    other = trivial_scores({"kind": "linear", "features": 2, "metric": "mae"}, BANK)
    absolute = (support.y.mean(1, keepdim=True) - query.y).abs().mean((1, 2))
    assert other["support_mean"] == pytest.approx(absolute.tolist(), rel=1e-5)
    assert trivial_scores(Linear(2), replace(BANK, metric="mae")) == other


def test_own_data_are_scored_in_their_unit() -> None:
    raw = table([12] * 6, given=True, target="number")
    normalised, plain = (
        trivial_scores(DatasetTasks.of(raw, normalise=how), BANK)["support_mean"]
        for how in ("train", "none")
    )
    assert normalised == pytest.approx(plain, rel=1e-3)


def test_classes_that_stand_apart_are_told_by_their_means() -> None:
    packed = images([12] * 9, given=True)
    packed.arrays["x"][...] = packed.arrays["x"] // 8
    for group in range(9):
        packed.arrays["x"][12 * group : 12 * group + 12, :, group // 3] += 200
    scores = trivial_scores(DatasetTasks.of(packed, n_way=3), BANK)
    assert set(scores) == {"class_frequencies", "nearest_mean", "ridge"}
    assert np.mean(scores["nearest_mean"]) == np.mean(scores["ridge"]) == 1.0
    assert scores["class_frequencies"] == pytest.approx([1 / 3] * BANK.tasks)


def test_what_is_no_bank_is_refused() -> None:
    with pytest.raises(InvalidTasks, match="bank must be a BankSpec, got 3"):
        trivial_scores({"kind": "linear"}, 3)  # type: ignore[arg-type]
