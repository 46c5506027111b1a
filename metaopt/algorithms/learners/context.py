"""Context parameters: a task moves a few inputs of its own, and no weight."""

from dataclasses import dataclass

import torch
from torch import Tensor

from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel
from metaopt.models.base import Params
from metaopt.tasks.base import Examples

CONTEXT = "context"
"""In θ: c (H, T, C), of which φ has nothing, since every task begins with zeros."""


@dataclass(frozen=True)
class Context(Learner):
    """CAVIA: the model has C more inputs than the tasks, and inner steps move these alone.

        c_0 = 0,   c_{j+1} = c_j − α ∇_c L(f([x, c_j]); support)
        g = ∇_φ (1/T) Σ_τ L(f([x, c_K]); query_τ),   φ = the weights of f, c_K differentiated too

    [x, c] is x with c beside it: further numbers of a vector, as in the paper's regression, and
    further channels of an image, constant over its pixels.  For images the paper does otherwise:
    FiLM, which scales and shifts the channels of a layer by an affine map of c.  A constant channel
    does less.  It shifts what the first convolution gives, but at the border of the image, where
    zeros are padded; a batch norm behind takes a shift that all examples share out again, so in
    conv4 the border is what is left of c.

    Args:
        size: C.
    Reference:
        Zintgraf, Shiarlis, Kurin, Hofmann & Whiteson (2019), arXiv:1810.03642, section 3.  Its code
        clamps each task's gradient to ±10 for images; `gradient_clamp` does so with their mean.
    """

    size: int = 0

    def __post_init__(self) -> None:
        """Check that no weight has the name of the context."""
        if CONTEXT in self.model.shapes:
            raise InvalidModel(f"a weight of the model is called {CONTEXT}: rename it")

    @property
    def adapted(self) -> tuple[str, ...]:
        """The context alone."""
        return (CONTEXT,)

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return φ for each task, and zeros."""
        lane = next(iter(phi.values()))
        zeros = lane.new_zeros(lane.shape[0], tasks, self.size)
        zeros.requires_grad_(torch.is_grad_enabled())  # it comes from no part of φ
        return super().begin(phi, support, tasks) | {CONTEXT: zeros}

    def outputs(self, theta: Params, x: Tensor, reference: int | None = None) -> Tensor:
        """The model's outputs (*B, N, C) for inputs with the context beside them.

        Weights without a context, as φ is, answer as before the first step.
        """
        lead = self._lead(theta)
        context = theta.get(CONTEXT)
        if context is None:
            context = x.new_zeros(*lead, self.size)
        one = len(self.model.input_shape)
        x = x.expand(*lead, *x.shape[-1 - one :])
        beside = context.reshape(*lead, 1, self.size, *(1,) * (one - 1))
        beside = beside.expand(*x.shape[:-one], self.size, *x.shape[x.dim() - one + 1 :])
        return super().outputs(theta, torch.cat([x, beside], dim=-one), reference)

    def _lead(self, theta: Params) -> torch.Size:
        name, shape = next(iter(self.model.shapes.items()))
        return theta[name].shape[: theta[name].dim() - len(shape)]
