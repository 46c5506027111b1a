"""Ridge regression on embeddings: a task's head in closed form, differentiated through."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.algorithms.learner import Learner, beside
from metaopt.algorithms.learners.classes import members
from metaopt.models.base import Params
from metaopt.tasks.base import Examples

LOG_RIDGE, SCALE, BIAS = OWN = ("ridge.log_lambda", "ridge.scale", "ridge.bias")


def ridge_predictions(known: Tensor, y: Tensor, asked: Tensor, ridge: Tensor) -> Tensor:
    """X'W (*B, Q, C) with W = argmin ‖XW − Y‖² + λ‖W‖², by the smaller of two systems.

    W = (XᵀX + λI)⁻¹XᵀY of D unknowns, or by Woodbury's identity Xᵀ(XXᵀ + λI)⁻¹Y of S.

    Args:
        known, asked: X (*B, S, D) and X' (*B, Q, D).
        y: Y (*B, S, C), or of fewer leading axes.
        ridge: λ (*B, 1).

    Returns:
        NaN where a system is not positive definite in the float type.
    """
    if known.shape[-2] < known.shape[-1]:
        return asked @ known.mT @ _solved(known @ known.mT, y, ridge)
    return asked @ _solved(known.mT @ known, known.mT @ y, ridge)


def _solved(square: Tensor, right: Tensor, ridge: Tensor) -> Tensor:
    """(A + λI)⁻¹B for positive semi-definite A (*B, n, n)."""
    identity = torch.eye(square.shape[-1], dtype=square.dtype, device=square.device)
    # Without errors, for which a GPU would wait: a lane that fails is one that diverged.
    lower, failed = torch.linalg.cholesky_ex(square + ridge[..., None] * identity)
    right = right.expand(*square.shape[:-2], *right.shape[-2:])
    solved = torch.cholesky_solve(right, lower)
    return torch.where((failed == 0)[..., None, None], solved, torch.nan)


@dataclass(frozen=True)
class Ridge(Learner):
    """ŷ = α f(x)W + β, W the ridge regression of the support set's targets on its embeddings.

    The model is f, with outputs of the width of the embedding; a 1 beside them is W's intercept,
    under the same penalty.  Classes are regressed on as one-hot targets, and ŷ are their logits,
    whose cross-entropy β leaves as it is.  Beside f's weights φ has log λ, α and β.  Batch norm is
    as in `Prototypes`.

    Args:
        ridge, scale: λ > 0 and α in the beginning; β begins with 0.

    Reference:
        Bertinetto, Henriques, Torr & Vedaldi (2019), arXiv:1805.08136 (R2-D2: ridge regression, its
        Woodbury form, α and β); the 1 beside the embedding: their code, fewshots/models/r2d2.py,
        which also divides X and Y by √S.
    """

    ridge: float = 1.0
    scale: float = 1.0

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's weights, and log λ, α and β."""
        return beside(self.model, dict.fromkeys(OWN, (1,)))

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """See `Learner`."""
        begin = {LOG_RIDGE: math.log(self.ridge), SCALE: self.scale, BIAS: 0.0}
        return self.model.init(keys, dtype) | {
            name: torch.full((*keys.shape, 1), value, dtype=dtype, device=keys.device)
            for name, value in begin.items()
        }

    def answers(self, theta: Params, support: Examples, x: Tensor, *, transductive: bool) -> Tensor:
        """Return ŷ (*B, Q, C).  See `Learner`."""
        both = self.outputs_of_both(theta, support, x, together=transductive)
        known, asked = (torch.cat([e, torch.ones_like(e[..., :1])], dim=-1) for e in both)
        y = support.y
        if self.classification:
            assert self.width is not None
            y = members(y, self.width).to(known.dtype)
        predicted = ridge_predictions(known, y, asked, theta[LOG_RIDGE].exp())
        return theta[SCALE][..., None] * predicted + theta[BIAS][..., None]
