"""A learner: what is meta-learned, what a task starts from, its loss, and how it is answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import torch
from torch import Tensor

from metaopt.algorithms import policy
from metaopt.algorithms.inner import InnerState, for_tasks, inner_update
from metaopt.errors import InvalidModel
from metaopt.models.base import Layout, Model, Params
from metaopt.tasks.base import Examples, Interactive, mean_loss
from metaopt.tasks.losses import Loss, checked
from metaopt.tasks.scoring import Scoring


def beside(model: Model, own: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's weights, and of what else is meta-learned.

    Raises:
        InvalidModel: one has a weight of such a name.
    """
    if taken := sorted(own.keys() & model.shapes.keys()):
        raise InvalidModel(f"weight {taken[0]} of the model has a name that is taken: rename it")
    return model.shapes | own


@dataclass(frozen=True)
class Learner:
    """A model whose weights are meta-learned, and what the inner loop minimises on a task.

    φ is what is meta-learned, θ what a task has of it, with leading axes B = (H, T); here both are
    the weights of the model.  An algorithm that learns more than them, begins a task elsewhere or
    answers it in another way has a class of its own with some of these methods.

    Args:
        model: Pure functions over a dict of tensors.
        classification: Cross-entropy on class indices, else squared error.
        own_loss: In place of these: see `metaopt.tasks.losses`.
        compute: Float type of activations and their derivatives; None is that of the weights.
            Weights, losses and optimizers keep theirs.  bfloat16 has 8 bits: meta-gradients are
            off by about a percent (tests/metaopt/algorithms/test_precision.py).
        width: C, the classes or numbers that are asked for, where the model's outputs are others.
        environment: Where tasks are acted in: the model is a policy then, the loss of examples that
            of the trajectories that θ makes of them (`metaopt.algorithms.policy`).
        train_classes: How many classes meta-training has in all, for who learns to tell all of
            them apart.
    """

    model: Model
    classification: bool
    compute: torch.dtype | None = None
    own_loss: Loss | None = None
    width: int | None = None
    environment: Interactive | None = None
    train_classes: int | None = None

    @classmethod
    def of(cls, learner: "Learner", **own: Any) -> Self:
        """Return a learner of this class with the parts of another."""
        parts = (learner.model, learner.classification, learner.compute)
        return cls(
            *parts,
            learner.own_loss,
            learner.width,
            learner.environment,
            learner.train_classes,
            **own,
        )

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each part of φ, in a fixed order."""
        return self.model.shapes

    @cached_property
    def layout(self) -> Layout:
        """Where each part of φ lies in the flat vector of a lane."""
        return Layout(self.shapes)

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return a fresh φ for keys (*B,)."""
        return self.model.init(keys, dtype)

    def fresh(self, keys: Tensor, dtype: torch.dtype, numbers: Mapping[str, Tensor]) -> Params:
        """Return the φ of trials of keys (*B,) before their first meta-iteration.

        Args:
            numbers: Their lane numbers (*B,) by name, of which a part of φ may be made.
        """
        return self.init(keys, dtype)

    @property
    def adapted(self) -> tuple[str, ...]:
        """The parts of θ that an inner step moves."""
        return tuple(name for name in self.model.shapes if name not in self.model.not_adapted)

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return θ (H, T, …) before the first inner step; φ is differentiated through it.

        No part of θ is computed from another: inner steps are by partial derivatives.

        Args:
            phi: With leading axis H.
            support: Of each task, for all lanes (T, …) or for each (H, T, …).
            tasks: T.
        """
        return for_tasks(phi, tasks)

    def update(
        self, theta: Params, gradient: Params, inner_lr: Tensor, state: InnerState | None
    ) -> tuple[Params, InnerState | None]:
        """Return θ and memory after an inner step; see `metaopt.algorithms.inner.inner_update`.

        Args:
            gradient: Of the loss of the support set, of `adapted`.
        """
        return inner_update(theta, gradient, inner_lr, state)

    def outputs(self, theta: Params, x: Tensor, reference: int | None = None) -> Tensor:
        """The model's outputs (*B, N, C)."""
        weights = self.computed_with(theta, tuple(self.model.shapes))
        if self.compute is None:
            return self.model.apply(weights, x, reference=reference)
        outputs = self.model.apply(weights, x.to(self.compute), reference=reference)
        return outputs.to(x.dtype)

    def computed_with(self, theta: Params, names: tuple[str, ...]) -> Params:
        """Some parts of θ in the type in which the model computes."""
        return {name: theta[name].to(self.compute or theta[name].dtype) for name in names}

    def loss(self, theta: Params, examples: Examples) -> Tensor:
        """The mean loss (*B,)."""
        if self.environment is not None:
            return policy.surrogate(self.outputs, theta, self.environment, examples)
        return self.loss_of(self.outputs(theta, examples.x), examples.y)

    def inner_loss(self, theta: Params, support: Examples) -> Tensor:
        """The mean loss (*B,) of the support set, along whose gradient an inner step goes."""
        return self.loss(theta, support)

    def loss_of(self, outputs: Tensor, y: Tensor) -> Tensor:
        """The mean loss (*B,) of outputs (*B, N, C)."""
        if self.own_loss is not None:
            return checked(self.own_loss, outputs, y)
        return mean_loss(outputs, y, classification=self.classification)

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
        outputs = self.judged(theta, support, query, transductive=transductive)
        return scoring.scores(outputs, query.y)

    def judged(
        self, theta: Params, support: Examples, query: Examples, *, transductive: bool
    ) -> Tensor:
        """What is scored: the answers (*B, Q, C), or the return of each trajectory (*B, Q, 1)."""
        if self.environment is not None:
            return policy.returns(self.outputs, theta, self.environment, query)[..., None]
        return self.answers(theta, support, query.x, transductive=transductive)

    def answers(self, theta: Params, support: Examples, x: Tensor, *, transductive: bool) -> Tensor:
        """The outputs (*B, Q, C) for query inputs x, as they are scored: see `scores`.

        A policy's are the means of its actions in states x.
        """
        if transductive or self.environment is not None:
            return self.outputs(theta, x)
        return self.outputs_of_both(theta, support, x, together=False)[1]

    def loss_of_answers(self, theta: Params, support: Examples, query: Examples) -> Tensor:
        """The mean loss (*B,) of transductive answers, by which they are learned without a loop."""
        return self.loss_of(self.answers(theta, support, query.x, transductive=True), query.y)

    def outputs_of_both(
        self, theta: Params, support: Examples, x: Tensor, *, together: bool
    ) -> tuple[Tensor, Tensor]:
        """The model's outputs for the support examples and for query inputs, from one pass.

        Args:
            together: Batch norm takes its statistics from both; otherwise from the support examples
                alone.
        """
        axis = -1 - len(self.model.input_shape)
        count = support.x.shape[axis]
        both = torch.cat([support.x, x], dim=axis)
        outputs = self.outputs(theta, both, None if together else count)
        return outputs[..., :count, :], outputs[..., count:, :]
