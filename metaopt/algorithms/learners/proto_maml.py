"""Proto-MAML: inner steps that begin with the head of prototypical networks."""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from metaopt.algorithms.inner import for_tasks
from metaopt.algorithms.learner import Learner
from metaopt.algorithms.learners.classes import class_means
from metaopt.errors import InvalidModel
from metaopt.models.base import Params, WithHead
from metaopt.models.head import with_features
from metaopt.tasks.base import Examples


def prototype_head(features: Tensor, y: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Weight (*B, D, C) and bias (*B, C) of the head w_k = 2c_k, b_k = −‖c_k‖².

    Its logits are −‖f(x) − c_k‖² but for ‖f(x)‖², which is the same for all classes.

    Args:
        features: f of the support examples (*B, S, D).
        y: Class indices (*B, S), or of fewer leading axes.
        classes: C; one without examples never answers.
    """
    centres, seen = class_means(features, y, classes)
    bias = -centres.square().sum(-1)
    return 2 * centres.mT, torch.where(seen, bias, torch.finfo(bias.dtype).min)


@dataclass(frozen=True)
class PrototypeHead(Learner):
    """A learner that begins a task with the head of its prototypes, through which φ is learned.

    φ has the weights of the body alone.  The features of the support examples are those of one
    pass, with batch statistics of the support set.

    Reference:
        Triantafillou et al. (2020), arXiv:1903.03096, section 3 (Proto-MAML); the linear layer that
        prototypes are: Snell et al. (2017), arXiv:1703.05175, "Reinterpretation as a linear model".

    Raises:
        InvalidModel: the model's last layer is not known, not a linear one, or has no bias.
    """

    def __post_init__(self) -> None:
        """Refuse a model whose head cannot be given."""
        if with_features(self.model) is None:
            raise InvalidModel(
                "the model does not say what its last layer is applied to, whose weights begin as "
                "prototypes: take mlp or conv4, or let it end with a torch.nn.Linear"
            )
        self.body.as_head(torch.zeros(1, 1), torch.zeros(1))

    @property
    def body(self) -> WithHead:
        """The model, of which the head can be computed apart."""
        return cast(WithHead, self.model)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each weight of the body."""
        head = self.body.head
        return {name: shape for name, shape in self.model.shapes.items() if name not in head}

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return fresh weights of the body.  See `Learner`."""
        weights = self.model.init(keys, dtype)
        return {name: weights[name] for name in self.shapes}

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return the body's weights, and the head of the support set's prototypes.

        See `Learner`.
        """
        assert self.width is not None
        features = self._features(for_tasks(phi, tasks), support.x)
        head = self.body.as_head(*prototype_head(features, support.y, self.width))
        # A body of its own, and not the one that the head is of: inner steps are by partial
        # derivatives, as where they are judged.
        return for_tasks(phi, tasks) | head

    def _features(self, body: Params, x: Tensor) -> Tensor:
        params = body | self._no_head(body)  # a module computes its head, too
        if self.compute is None:
            return self.body.features(params, x)
        low = {name: p.to(self.compute) for name, p in params.items()}
        return self.body.features(low, x.to(self.compute)).to(x.dtype)

    def _no_head(self, body: Params) -> Params:
        name, shape = next(iter(self.shapes.items()))
        lead = body[name].shape[: body[name].dim() - len(shape)]
        zero, shapes = body[name].new_zeros(()), self.model.shapes
        return {name: zero.expand(*lead, *shapes[name]) for name in self.body.head}
