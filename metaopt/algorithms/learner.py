"""A learner: a model, and the loss and scores of its tasks."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from metaopt.models.base import Layout, Model, Params
from metaopt.tasks.base import Examples, mean_loss
from metaopt.tasks.losses import Loss, checked
from metaopt.tasks.scoring import Scoring


@dataclass(frozen=True)
class Learner:
    """What the inner loop trains: weights θ with leading axes B and the mean loss L(θ; examples).

    Args:
        model: Pure functions over a dict of tensors.
        classification: Cross-entropy on class indices, else squared error.
        own_loss: In place of these: see `metaopt.tasks.losses`.
        compute: Float type of activations and their derivatives; None is that of the weights.
            Weights, losses and optimizers keep theirs.  bfloat16 has 8 bits: meta-gradients are
            off by about a percent (tests/metaopt/algorithms/test_precision.py).
    """

    model: Model
    classification: bool
    compute: torch.dtype | None = None
    own_loss: Loss | None = None

    @cached_property
    def layout(self) -> Layout:
        """Where each parameter lies in the flat vector of a lane."""
        return Layout(self.model.shapes)

    @property
    def adapted(self) -> tuple[str, ...]:
        """The parameters that an inner step moves."""
        return tuple(name for name in self.model.shapes if name not in self.model.not_adapted)

    def outputs(self, theta: Params, x: Tensor, reference: int | None = None) -> Tensor:
        """The model's outputs (*B, N, C)."""
        if self.compute is None:
            return self.model.apply(theta, x, reference=reference)
        low = {name: p.to(self.compute) for name, p in theta.items()}
        outputs = self.model.apply(low, x.to(self.compute), reference=reference)
        return outputs.to(x.dtype)

    def loss(self, theta: Params, examples: Examples) -> Tensor:
        """The mean loss (*B,)."""
        outputs = self.outputs(theta, examples.x)
        if self.own_loss is not None:
            return checked(self.own_loss, outputs, examples.y)
        return mean_loss(outputs, examples.y, classification=self.classification)

    def scores(
        self,
        theta: Params,
        support: Examples,
        query: Examples,
        *,
        scoring: Scoring,
        transductive: bool,
    ) -> Tensor:
        """The score of each task on its query examples (*B,); NaN if outputs overflow.

        Args:
            scoring: By what they are scored.
            transductive: Batch norm takes its statistics from the query examples together;
                otherwise from the support examples.
        """
        outputs = self.answers(theta, support, query.x, transductive=transductive)
        return scoring.scores(outputs, query.y)

    def answers(self, theta: Params, support: Examples, x: Tensor, *, transductive: bool) -> Tensor:
        """The outputs (*B, Q, C) for query inputs x, as they are scored: see `scores`."""
        if transductive:
            return self.outputs(theta, x)
        axis = -1 - len(self.model.input_shape)
        count = support.x.shape[axis]
        both = torch.cat([support.x, x], dim=axis)
        return self.outputs(theta, both, count)[..., count:, :]
