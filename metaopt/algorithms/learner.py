"""A learner: a model on flat weight vectors, and the loss of its tasks."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from metaopt.models.base import Layout, Model
from metaopt.tasks.base import Examples, mean_loss, task_scores


@dataclass(frozen=True)
class Learner:
    """What the inner loop trains: weights θ (*B, P) and the mean loss L(θ; examples) (*B,).

    Args:
        model: Pure functions over a dict of tensors.
        classification: Cross-entropy on class indices, else squared error.
    """

    model: Model
    classification: bool

    @cached_property
    def layout(self) -> Layout:
        """Return where each parameter lies in θ."""
        return Layout(self.model.shapes)

    @cached_property
    def _masks(self) -> dict[tuple[torch.device, torch.dtype], Tensor]:
        return {}

    def inner_gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient (*B, P) with zeros where the inner loop leaves θ alone."""
        if not self.model.not_adapted:
            return gradient
        place = gradient.device, gradient.dtype
        if place not in self._masks:  # copied to a device once: a copy makes the host wait
            self._masks[place] = self.layout.mask(self.model.not_adapted).to(*place)
        return gradient * self._masks[place]

    def outputs(self, theta: Tensor, x: Tensor, reference: int | None = None) -> Tensor:
        """Return the model's outputs (*B, N, C) for weights (*B, P)."""
        return self.model.apply(self.layout.unflatten(theta), x, reference=reference)

    def loss(self, theta: Tensor, examples: Examples) -> Tensor:
        """Return the mean loss (*B,)."""
        outputs = self.outputs(theta, examples.x)
        return mean_loss(outputs, examples.y, classification=self.classification)

    def scores(
        self, theta: Tensor, support: Examples, query: Examples, *, transductive: bool
    ) -> Tensor:
        """Return the score of each task on its query examples (*B,); NaN if outputs overflow.

        Args:
            transductive: Batch norm takes its statistics from the query examples together;
                otherwise from the support examples.
        """
        if transductive:
            outputs = self.outputs(theta, query.x)
        else:
            axis = -1 - len(self.model.input_shape)
            count = support.x.shape[axis]
            both = torch.cat([support.x, query.x], dim=axis)
            outputs = self.outputs(theta, both, count)[..., count:, :]
        scores = task_scores(outputs, query.y, classification=self.classification)
        # An argmax over NaN or overflowed logits looks like an answer.
        return torch.where(outputs.isfinite().all(-1).all(-1), scores, torch.nan)
