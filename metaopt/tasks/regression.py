"""Regression tasks that are drawn, not stored: sinusoids and random linear functions."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.errors import InvalidTasks
from metaopt.tasks.base import SPLITS, Episodes, Examples

Interval = tuple[float, float]


@dataclass(frozen=True)
class Sinusoid:
    """y = A·sin(x − φ); a task is one amplitude A and phase φ.

    Args:
        amplitude, phase, x: Ranges of A, φ (radians) and x, uniform.
    Reference:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, section 5.1; sign of φ as in the
        authors' code.
    """

    amplitude: Interval = (0.1, 5.0)
    phase: Interval = (0.0, math.pi)
    x: Interval = (-5.0, 5.0)
    dtype: torch.dtype = torch.float32

    input_shape = (1,)
    outputs = 1
    classification = False

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        """Return one episode for each key: x and y (*B, k_shot or q_query, 1).  See `Tasks`."""
        u = seeding.uniform(_split_keys(split, keys), 2 + k_shot + q_query)
        amplitude = _within(self.amplitude, u[..., :1])
        phase = _within(self.phase, u[..., 1:2])
        x = _within(self.x, u[..., 2:])
        y = amplitude * torch.sin(x - phase)
        return _episodes(x[..., None].to(self.dtype), y[..., None].to(self.dtype), k_shot)


@dataclass(frozen=True)
class Linear:
    """y = w·x + b + σ·noise with w, b and x standard normal; a task is one (w, b).

    Args:
        features: Width of x.
        noise: Standard deviation σ of the noise on y.
    """

    features: int = 1
    noise: float = 0.0
    dtype: torch.dtype = torch.float32

    outputs = 1
    classification = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return (features,)."""
        return (self.features,)

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        """Return one episode for each key: x (*B, N, features), y (*B, N, 1).  See `Tasks`."""
        count, width = k_shot + q_query, self.features
        draws = seeding.normal(_split_keys(split, keys), width + 1 + count * (width + 1))
        w, b = draws[..., :width], draws[..., width : width + 1]
        rest = draws[..., width + 1 :].unflatten(-1, (count, width + 1))
        x = rest[..., :width]
        y = (x * w[..., None, :]).sum(-1) + b + self.noise * rest[..., width]
        return _episodes(x.to(self.dtype), y[..., None].to(self.dtype), k_shot)


def _split_keys(split: str, keys: Tensor) -> Tensor:
    if split not in SPLITS:
        raise InvalidTasks(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return seeding.fold_in(keys, SPLITS.index(split))


def _within(interval: Interval, u: Tensor) -> Tensor:
    low, high = interval
    return low + (high - low) * u


def _episodes(x: Tensor, y: Tensor, k_shot: int) -> Episodes:
    return Episodes(
        Examples(x[..., :k_shot, :], y[..., :k_shot, :]),
        Examples(x[..., k_shot:, :], y[..., k_shot:, :]),
    )
