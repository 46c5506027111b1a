"""Meta-SGD: a rate for each weight, meta-learned with the weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.inner import InnerState
from metaopt.algorithms.learner import Learner
from metaopt.models.base import Params

DRAWN_FROM = 0.005, 0.1
"""Bounds of the initial rate where it is drawn."""

_RATE = 8_000_001  # salt: below are those of a model's weights


def rate_of(name: str) -> str:
    """What the rates of a weight are called in φ; no name of a module's parameter has a slash."""
    return f"rate/{name}"


@dataclass(frozen=True)
class LearnedRates(Learner):
    """θ ← θ − a ∘ ∇L(θ; support), where φ holds the initial θ and a rate a for each weight.

    Both follow the gradient of the query loss through the inner steps, of which there may be
    several with the same a.  A rate may become negative.  Weights that inner steps leave alone have
    none.

    Reference:
        Li, Zhou, Chen & Li (2017), arXiv:1707.09835, Algorithm 1.
    """

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's, and those of the rates."""
        weights = self.model.shapes
        return weights | {rate_of(name): weights[name] for name in self.adapted}

    def fresh(self, keys: Tensor, dtype: torch.dtype, numbers: Mapping[str, Tensor]) -> Params:
        """Return the model's weights and equal rates: `initial_rate`, or one drawn where it is 0.

        It is drawn from U[0.005, 0.1], one for all weights, as the paper has it for sinusoids.
        """
        low, high = DRAWN_FROM
        drawn = seeding.uniform(seeding.fold_in(keys, _RATE), 1)[..., 0]
        given = numbers["initial_rate"]
        rate = torch.where(given > 0, given, (low + (high - low) * drawn).to(dtype))
        weights = self.model.init(keys, dtype)
        rates = {
            rate_of(n): rate.reshape(-1, *(1,) * len(self.model.shapes[n])).expand_as(weights[n])
            for n in self.adapted
        }
        return weights | rates

    def update(
        self, theta: Params, gradient: Params, inner_lr: Tensor, state: InnerState | None
    ) -> tuple[Params, InnerState | None]:
        """Return θ − a ∘ g.  See `Learner`."""
        moved = {
            name: torch.addcmul(theta[name], theta[rate_of(name)], g, value=-1)
            for name, g in gradient.items()
        }
        return theta | moved, state
