"""Sinusoid and linear tasks."""

import math

import pytest
import torch

from metaopt.errors import InvalidTasks
from metaopt.tasks.make import make_tasks
from metaopt.tasks.regression import Linear, Quadratic, Sinusoid

KEYS = torch.arange(2000)


def test_sinusoids_have_the_papers_ranges_and_form():
    tasks = Sinusoid(dtype=torch.float64)
    support, query = tasks.sample("train", KEYS, 5, 20)
    assert support.x.shape == (2000, 5, 1) and query.y.shape == (2000, 20, 1)
    x = torch.cat([support.x, query.x], 1)[..., 0]
    y = torch.cat([support.y, query.y], 1)[..., 0]
    assert x.min() >= -5 and x.max() <= 5 and x.mean().abs() < 0.1
    # Fit a sin x + b cos x to each task: A = |(a, b)|, φ = atan2(−b, a).
    basis = torch.stack([x.sin(), x.cos()], -1)
    fit = torch.linalg.lstsq(basis, y[..., None]).solution[..., 0]
    assert torch.allclose((basis @ fit[..., None])[..., 0], y, atol=1e-8)
    amplitude, phase = fit.norm(dim=-1), torch.atan2(-fit[:, 1], fit[:, 0])
    assert amplitude.min() >= 0.1 and amplitude.max() <= 5.0
    assert abs(amplitude.mean() - 2.55) < 0.1
    assert phase.min() >= 0 and phase.max() <= math.pi
    assert abs(phase.mean() - math.pi / 2) < 0.1


def test_ranges_are_options():
    tasks = make_tasks({"kind": "sinusoid", "amplitude": [1, 2], "phase": [0, 0.1], "x": [3, 4]})
    support, _ = tasks.sample("train", KEYS, 5, 0)
    assert support.x.min() >= 3 and support.x.max() <= 4
    assert support.y.abs().max() <= 2


@pytest.mark.parametrize(
    "tasks", [Sinusoid(), Linear(3, 0.1), Quadratic(3)], ids=["sinusoid", "linear", "quadratic"]
)
def test_a_task_is_a_function_of_split_and_key_alone(tasks):
    whole = tasks.sample("train", KEYS.reshape(20, 100), 4, 6)
    part = tasks.sample("train", KEYS.reshape(20, 100)[3, 5:7], 4, 6)
    assert torch.equal(whole.query.y[3, 5:7], part.query.y)
    other = tasks.sample("test", KEYS[:10], 4, 6)
    assert not torch.isin(other.support.x, whole.support.x).any()


def test_linear_tasks_are_linear_in_any_width():
    support, query = Linear(4, dtype=torch.float64).sample("train", KEYS[:50], 8, 8)
    ones = torch.ones(50, 8, 1, dtype=torch.float64)
    w = torch.linalg.lstsq(torch.cat([support.x, ones], -1), support.y).solution
    assert torch.allclose(torch.cat([query.x, ones], -1) @ w, query.y, atol=1e-8)
    assert abs(w.std().item() - 1) < 0.15


def test_noise_is_an_option():
    clean, _ = Linear(1, 0.0, torch.float64).sample("train", KEYS, 4, 0)
    noisy, _ = Linear(1, 0.5, torch.float64).sample("train", KEYS, 4, 0)
    assert torch.equal(clean.x, noisy.x)
    assert abs((noisy.y - clean.y).std().item() - 0.5) < 0.02


def test_a_quadratic_is_one_function_whose_query_rows_are_its_support_rows():
    tasks = Quadratic(4, torch.float64)
    support, query = tasks.sample("train", KEYS, 4, 4)
    assert torch.equal(support.x, query.x) and torch.equal(support.y, query.y)
    assert support.x.shape == (2000, 4, 4) and support.y.shape == (2000, 4, 1)
    for part in support:
        assert abs(part.mean().item()) < 0.05 and abs(part.std().item() - 1) < 0.05
    assert abs((support.x * support.y).mean().item()) < 0.05
    best = torch.linalg.solve(support.x, support.y)  # D rows: f can be brought to 0
    assert torch.allclose(query.x @ best, query.y, atol=1e-6)


def test_rows_of_a_quadratic_do_not_depend_on_how_many_are_asked_for():
    tasks = Quadratic(3)
    few, many = tasks.sample("train", KEYS[:5], 2, 5), tasks.sample("train", KEYS[:5], 6, 3)
    assert torch.equal(few.support.x, many.support.x[:, :2])
    assert torch.equal(few.query.y, many.support.y[:, :5])
    assert torch.equal(few.query.x[:, :3], many.query.x)
    assert tasks.sample("train", KEYS[:5], 2, 0).query.y.shape == (5, 0, 1)


def test_a_quadratic_says_how_high_it_begins():
    tasks = Quadratic(3)
    y = tasks.sample("test", KEYS[3], 4, 4).support.y
    says = f"f(θ) = ‖Wθ − y‖²/4, W 4×3, f(0) = {y.square().mean().item():.4g}"
    assert tasks.describe("test", KEYS[3], 4, 4).sentence == says


def test_unknown_kinds_and_splits_are_refused():
    with pytest.raises(InvalidTasks, match="'cosine'"):
        make_tasks({"kind": "cosine"})
    with pytest.raises(InvalidTasks, match="'val'"):
        Sinusoid().sample("val", KEYS, 1, 1)
