"""Outer optimizers and schedules, for lanes of different age at once."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class OuterState(NamedTuple):
    """Adam's moments `m` and `v` (H, P)."""

    m: Tensor
    v: Tensor


def scheduled(rate: Tensor, age: Tensor, horizon: Tensor, schedule: str) -> Tensor:
    """The outer rate at `age` of `horizon` meta-iterations; all (H,).

    constant: β; linear: β (1 − age/horizon); cosine: β (1 + cos(π age/horizon)) / 2.
    """
    if schedule == "constant":
        return rate
    progress = (age.to(rate.dtype) / horizon.to(rate.dtype)).clamp(max=1.0)
    if schedule == "linear":
        return rate * (1 - progress)
    return rate * (1 + torch.cos(math.pi * progress)) / 2


def warmed_up(rate: Tensor, age: Tensor, horizon: Tensor, share: Tensor) -> Tensor:
    """The rate times min(1, (age + 1) / (share · horizon)); all (H,).

    Reference:
        Goyal et al. (2017), arXiv:1706.02677, section 2.2 (gradual warm-up).
    """
    length = (share * horizon.to(rate.dtype)).clamp(min=1.0)
    return rate * ((age + 1).to(rate.dtype) / length).clamp(max=1.0)


def shortened(gradient: Tensor, norm: Tensor) -> Tensor:
    """The gradient (H, P), scaled down where its L2 norm is above `norm` (H,); 0 leaves it.

    Reference:
        Pascanu, Mikolov & Bengio (2013), arXiv:1211.5063, algorithm 1.
    """
    # Of a gradient of 1e20 the squares overflow in float32: scaled first, it keeps its direction.
    largest = gradient.abs().amax(-1, keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
    scaled = gradient / largest
    length, longest = scaled.norm(dim=-1, keepdim=True), norm[:, None]
    too_long = (longest > 0) & (length > longest / largest)
    return torch.where(too_long, scaled * (longest / length), gradient)


def sgd(phi: Tensor, gradient: Tensor, rate: Tensor) -> Tensor:
    """Return φ − β g; φ and g (H, P), rate (H,)."""
    return phi - rate[:, None] * gradient


def adam(
    phi: Tensor, gradient: Tensor, rate: Tensor, age: Tensor, state: OuterState
) -> tuple[Tensor, OuterState]:
    """Return φ and moments after one Adam step; `age` (H,) counts the steps before this one.

    Reference:
        Kingma & Ba (2015), arXiv:1412.6980, Algorithm 1, with β1 = 0.9, β2 = 0.999, ε = 1e-8.
    """
    t = (age + 1).to(phi.dtype)[:, None]
    m = torch.lerp(gradient, state.m, BETA1)
    v = torch.lerp(gradient.square(), state.v, BETA2)
    unbiased = m / (1 - BETA1**t)
    scale = torch.sqrt(v / (1 - BETA2**t)) + EPSILON
    return phi - rate[:, None] * unbiased / scale, OuterState(m, v)
