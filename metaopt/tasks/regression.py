"""Regression tasks that are drawn, not stored: sinusoids, random linear functions, quadratics."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.errors import InvalidTasks
from metaopt.tasks.base import SPLITS, Episodes, Examples
from metaopt.tasks.description import Description

Interval = tuple[float, float]

SHOWN_WEIGHTS = 6


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
        amplitude, phase = self._wave(u)
        x = _within(self.x, u[..., 2:])
        y = amplitude * torch.sin(x - phase)
        return _episodes(x[..., None].to(self.dtype), y[..., None].to(self.dtype), k_shot)

    def describe(self, split: str, key: Tensor, k_shot: int, q_query: int) -> Description:
        """Say A and φ.  See `SelfDescribing`."""
        amplitude, phase = self._wave(seeding.uniform(_split_keys(split, key), 2))
        return Description(f"y = {amplitude.item():.4g}·sin(x {_added(-phase.item())})")

    def _wave(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """Return A and φ (*B, 1) of tasks whose first draws are u."""
        return _within(self.amplitude, u[..., :1]), _within(self.phase, u[..., 1:2])


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
        draws = self._draws(split, keys, count)
        w, b = draws[..., :width], draws[..., width : width + 1]
        rest = draws[..., width + 1 :].unflatten(-1, (count, width + 1))
        x = rest[..., :width]
        y = (x * w[..., None, :]).sum(-1) + b + self.noise * rest[..., width]
        return _episodes(x.to(self.dtype), y[..., None].to(self.dtype), k_shot)

    def describe(self, split: str, key: Tensor, k_shot: int, q_query: int) -> Description:
        """Say w and b, of a wide w the first components.  See `SelfDescribing`."""
        *w, b = self._draws(split, key, k_shot + q_query)[: self.features + 1].tolist()
        shown = [f"{weight:.4g}" for weight in w[:SHOWN_WEIGHTS]]
        more = ", …" if len(w) > SHOWN_WEIGHTS else ""
        slope = shown[0] if len(w) == 1 else f"({', '.join(shown)}{more})"
        noise = f" + {self.noise:g}·noise" if self.noise else ""
        return Description(f"y = {slope}·x {_added(b)}{noise}")

    def _draws(self, split: str, keys: Tensor, count: int) -> Tensor:
        """Return w, b, and x and noise of each of `count` examples, in one row a task."""
        return seeding.normal(_split_keys(split, keys), (count + 1) * (self.features + 1))


@dataclass(frozen=True)
class Quadratic:
    """f(θ) = ‖Wθ − y‖²/n with W (n, D) and y (n,) standard normal; a task is one (W, y).

    A function to be minimised, not one to be learned from examples: a row of W is an input, its y
    the target, and the squared error of a linear model with weights θ and no bias is f.  (The
    model `linear` has one: a further coordinate, with a column of ones in W.)  Query examples are
    rows of the same function, so that with as many of them as support examples a score is f itself
    where the adaptation ends; n is the number of either, and what follows the first n rows are
    further ones.  y is noise: rows that were not adapted to cannot be predicted.

    Args:
        dimension: D.
    Reference:
        Andrychowicz et al. (2016), arXiv:1606.04474, section 3.1: D = n = 10.  The authors' code
        draws W and y uniform in [0, 1).
    """

    dimension: int = 10
    dtype: torch.dtype = torch.float32

    outputs = 1
    classification = False

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return (dimension,)."""
        return (self.dimension,)

    def sample(self, split: str, keys: Tensor, k_shot: int, q_query: int) -> Episodes:
        """Return one episode for each key: x (*B, n, dimension), y (*B, n, 1).  See `Tasks`."""
        rows = torch.arange(max(k_shot, q_query), device=keys.device)
        of_rows = seeding.fold_in(_split_keys(split, keys)[..., None], rows)
        drawn = seeding.normal(of_rows, self.dimension + 1).to(self.dtype)
        x, y = drawn[..., :-1], drawn[..., -1:]
        return Episodes(
            Examples(x[..., :k_shot, :], y[..., :k_shot, :]),
            Examples(x[..., :q_query, :], y[..., :q_query, :]),
        )

    def describe(self, split: str, key: Tensor, k_shot: int, q_query: int) -> Description:
        """Say its size and the height it begins from.  See `SelfDescribing`."""
        y = self.sample(split, key, k_shot, 0).support.y
        return Description(
            f"f(θ) = ‖Wθ − y‖²/{k_shot}, W {k_shot}×{self.dimension}, "
            f"f(0) = {y.square().mean().item():.4g}"
        )


def _split_keys(split: str, keys: Tensor) -> Tensor:
    if split not in SPLITS:
        raise InvalidTasks(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return seeding.fold_in(keys, SPLITS.index(split))


def _added(number: float) -> str:
    return f"{'-' if number < 0 else '+'} {abs(number):.4g}"


def _within(interval: Interval, u: Tensor) -> Tensor:
    low, high = interval
    return low + (high - low) * u


def _episodes(x: Tensor, y: Tensor, k_shot: int) -> Episodes:
    return Episodes(
        Examples(x[..., :k_shot, :], y[..., :k_shot, :]),
        Examples(x[..., k_shot:, :], y[..., k_shot:, :]),
    )
