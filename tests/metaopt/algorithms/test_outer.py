"""Outer optimizers against torch's own, and the courses of the outer rate."""

import math

import pytest
import torch

from metaopt.algorithms import outer
from metaopt.algorithms.outer import OuterState


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_two_hundred_steps_equal_those_of_torch(optimizer):
    generator = torch.Generator().manual_seed(1)
    rates = torch.tensor([1e-3, 3e-2], dtype=torch.float64)
    phi = torch.randn(2, 5, generator=generator, dtype=torch.float64)
    gradients = torch.randn(200, 2, 5, generator=generator, dtype=torch.float64)
    expected = [row.clone().requires_grad_() for row in phi]
    make = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
    optimizers = [make([p], lr=float(r)) for p, r in zip(expected, rates, strict=True)]
    state = OuterState(torch.zeros_like(phi), torch.zeros_like(phi))
    for age, gradient in enumerate(gradients):
        for parameter, one, g in zip(expected, optimizers, gradient, strict=True):
            parameter.grad = g.clone()
            one.step()
        if optimizer == "adam":
            phi, state = outer.adam(phi, gradient, rates, torch.tensor([age, age]), state)
        else:
            phi = outer.sgd(phi, gradient, rates)
    assert torch.allclose(phi, torch.stack(expected).detach(), rtol=1e-12, atol=1e-14)


def test_lanes_of_different_age_each_have_their_own_bias_correction():
    gradient = torch.ones(2, 1, dtype=torch.float64)
    zeros = torch.zeros(2, 1, dtype=torch.float64)
    rate = torch.ones(2, dtype=torch.float64)
    phi, _ = outer.adam(zeros, gradient, rate, torch.tensor([0, 9]), OuterState(zeros, zeros))
    corrected = (0.1 / (1 - 0.9**10)) / math.sqrt(0.001 / (1 - 0.999**10))
    assert phi[0].item() == pytest.approx(-1.0, rel=1e-6)
    assert phi[1].item() == pytest.approx(-corrected, rel=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [1.0, 1.0, 1.0, 1.0]),
        ("linear", [1.0, 0.75, 0.5, 0.0]),
        ("cosine", [1.0, (1 + math.cos(math.pi / 4)) / 2, 0.5, 0.0]),
    ],
)
def test_schedules_fall_from_the_rate_to_zero(schedule, expected):
    rate = torch.full((4,), 2.0, dtype=torch.float64)
    age = torch.tensor([0, 25, 50, 100])
    rates = outer.scheduled(rate, age, torch.full((4,), 100), schedule)
    assert rates.tolist() == pytest.approx([2 * e for e in expected], abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_long_gradient_is_shortened_in_its_direction_whatever_its_size(dtype):
    direction = torch.tensor([0.6, 0.0, -0.8], dtype=dtype)
    sizes = torch.tensor([3e37, 1e20, 5.0, 2.0, 1e-30, 0.0], dtype=dtype)
    gradient = sizes[:, None] * direction
    norm = torch.full((6,), 2.0, dtype=dtype)
    shortened = outer.shortened(gradient, norm)
    assert torch.allclose(shortened[:3], 2.0 * direction.expand(3, -1))
    assert torch.equal(shortened[3:], gradient[3:])
    assert torch.equal(outer.shortened(gradient, torch.zeros_like(norm)), gradient)


@pytest.mark.parametrize("broken", [math.inf, -math.inf, math.nan])
def test_a_gradient_that_is_not_finite_is_not_made_so(broken):
    gradient = torch.tensor([[broken, 1.0], [3.0, 4.0]])
    shortened = outer.shortened(gradient, torch.ones(2))
    assert not shortened[0].isfinite().all()
    assert torch.allclose(shortened[1], torch.tensor([0.6, 0.8]))


def test_a_warm_up_rises_to_the_rate_over_its_share_of_the_trial():
    rate, horizon = torch.full((5,), 2.0, dtype=torch.float64), torch.full((5,), 100)
    age = torch.tensor([0, 9, 19, 20, 99])
    shares = torch.full((5,), 0.2, dtype=torch.float64)
    warmed = outer.warmed_up(rate, age, horizon, shares)
    assert warmed.tolist() == pytest.approx([0.1, 1.0, 2.0, 2.0, 2.0], rel=1e-15)
    assert torch.equal(outer.warmed_up(rate, age, horizon, torch.zeros_like(shares)), rate)
