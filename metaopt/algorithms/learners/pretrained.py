"""A network trained on all examples of meta-training, to be fine-tuned on a task's support set."""

import math
from dataclasses import dataclass
from typing import Self, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from metaopt import seeding
from metaopt.algorithms.learner import Learner, beside
from metaopt.algorithms.learners.parts import FEATURES, HeadAlone
from metaopt.errors import InvalidModel
from metaopt.metrics.kinds.cross_entropy import cross_entropy
from metaopt.models.base import Params, WithHead
from metaopt.models.head import head_of, with_features
from metaopt.models.initialization import weights
from metaopt.tasks.base import Examples

WEIGHT, BIAS = OWN = ("pretrain.w", "pretrain.b")
NEW = "fine_tune.w"
_INIT = 1009  # salt: a head's weights are not those of the model

TINY = 1e-5
"""Least norm that a vector is divided by; below it the gradient of a cosine would explode."""


@dataclass(frozen=True)
class Pretrained(HeadAlone):
    """Baseline: features of a network that tells all classes of meta-training apart.

        W, f = argmin Σ_i −log softmax_{y_i}(Wᵀ f(x_i) + b),   y_i of all M classes
        a task:  w_0 = 0,  w_{j+1} = w_j − α ∇_w L(wᵀ f(support)),  f as it is

    Beside the weights of the model φ has W (D, M) and b (M,).  A task begins with a new head, the
    model's own, and leaves W behind.  That head is a softmax regression, whose loss is convex: it
    begins at 0, where the paper draws it, which would only be noise.

    Numbers have no classes: there the model is trained on the pooled examples of all tasks, and a
    task begins with all of it, its head included.

    Args:
        whole: Whether a task moves the body, too.

    Reference:
        Chen, Liu, Kira, Wang & Huang (2019), arXiv:1904.04232, section 3 (Baseline); numbers:
        Finn, Abbeel & Levine (2017), arXiv:1703.03400, section 5.1 (pretrained on all tasks).
    """

    whole: bool = False

    def checked(self) -> Self:
        """The learner itself.

        Raises:
            InvalidModel: as `HeadAlone.checked`, or the head of the model cannot be replaced.
        """
        if not self.whole:
            super().checked()
        if self.classification and with_features(self.model) is None:
            raise InvalidModel(
                "the model does not say what its last layer is applied to, and that layer is "
                "another one in pretraining: take mlp, conv4 or resnet12, or let it end with a "
                "torch.nn.Linear"
            )
        return self

    @property
    def features_width(self) -> int:
        """D, of what the head is applied to."""
        assert self.width is not None
        return math.prod(self.model.shapes[head_of(self.model)[0]]) // self.width

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The model's weights, and of classes W and b."""
        return beside(self.model, self._own_shapes()) if self.classification else self.model.shapes

    def _own_shapes(self) -> dict[str, tuple[int, ...]]:
        assert self.train_classes is not None
        return {WEIGHT: (self.features_width, self.train_classes), BIAS: (self.train_classes,)}

    def init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        """Return fresh weights of the model, W likewise, and b = 0.  See `Learner`."""
        params = self.model.init(keys, dtype)
        return params | self._own_init(keys, dtype) if self.classification else params

    def _own_init(self, keys: Tensor, dtype: torch.dtype) -> Params:
        drawn = {}
        for number, (name, shape) in enumerate(self._own_shapes().items()):
            key = seeding.fold_in(keys, _INIT + number)
            drawn[name] = (
                weights("glorot", key, shape, dtype)
                if len(shape) == 2
                else torch.zeros(*keys.shape, *shape, dtype=dtype, device=keys.device)
            )
        return drawn

    @property
    def adapted(self) -> tuple[str, ...]:
        """What a task moves: the head, or all that the model does not keep still."""
        if not self.whole:
            return super().adapted
        return tuple(name for name in self.model.shapes if name not in self.model.not_adapted)

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return the model of each task, of classes with a new head.  See `HeadAlone`."""
        if self.classification:
            phi = self._with_new_head(phi)
        if self.whole:
            return Learner.begin(self, phi, support, tasks)
        return super().begin(phi, support, tasks)

    def inner_loss(self, theta: Params, support: Examples) -> Tensor:
        """See `HeadAlone`."""
        return self.loss(theta, support) if self.whole else super().inner_loss(theta, support)

    def _with_new_head(self, phi: Params) -> Params:
        head = head_of(self.model)
        return {
            name: torch.zeros_like(phi[name]) if name in head else phi[name]
            for name in self.model.shapes
        }

    def pretraining_loss(self, phi: Params, examples: Examples) -> Tensor:
        """The mean loss (H,) of pooled examples (H, N, …); classes are numbers below M."""
        if not self.classification:
            return self.loss(phi, examples)
        logits = self.logits_of_all(phi, self._features(phi, examples.x))
        return cross_entropy(logits, examples.y)

    def logits_of_all(self, phi: Params, features: Tensor) -> Tensor:
        """The logits (H, N, M) of all classes, for features (H, N, D)."""
        return features @ phi[WEIGHT] + phi[BIAS][..., None, :]

    def _features(self, theta: Params, x: Tensor, reference: int | None = None) -> Tensor:
        model = cast(WithHead, self.model)
        weights = self.computed_with(theta, tuple(self.model.shapes))
        given = x if self.compute is None else x.to(self.compute)
        return model.features(weights, given, reference=reference).to(x.dtype)


@dataclass(frozen=True)
class CosinePretrained(Pretrained):
    """Baseline++: as Baseline, and both heads answer by the cosine of features and weights.

        logit_k = s · f(x)ᵀ w_k / (‖f(x)‖ ‖w_k‖)

    A task's head w (D, C) begins as it was drawn with the trial, since a cosine to 0 is none: it is
    a part of φ that pretraining leaves alone.

    Args:
        scale: s in pretraining.
        fine_tune_scale: s on a task.

    Reference:
        Chen, Liu, Kira, Wang & Huang (2019), arXiv:1904.04232, section 3 (Baseline++); s in their
        code, `distLinear` of github.com/wyharveychen/CloserLookFewShot: 2, and 10 of more than 200
        classes.  The code also learns ‖w_k‖, the paper does not.
    """

    scale: float = 10.0
    fine_tune_scale: float = 2.0

    def _own_shapes(self) -> dict[str, tuple[int, ...]]:
        assert self.train_classes is not None and self.width is not None
        features = self.features_width
        return {WEIGHT: (features, self.train_classes), NEW: (features, self.width)}

    @property
    def adapted(self) -> tuple[str, ...]:
        """What a task moves: its head, and maybe the body."""
        if not self.whole:
            return (NEW,)
        head = head_of(self.model)
        return (*(name for name in super().adapted if name not in head), NEW)

    def _with_new_head(self, phi: Params) -> Params:
        return {name: phi[name] for name in (*self.model.shapes, NEW)}

    def inner_loss(self, theta: Params, support: Examples) -> Tensor:
        """See `HeadAlone`."""
        if self.whole:
            return self.loss(theta, support)
        known = theta[FEATURES].to(support.x.dtype)
        return self.loss_of(self._logits(theta, known), support.y)

    def outputs(self, theta: Params, x: Tensor, reference: int | None = None) -> Tensor:
        """The logits (*B, N, C).  See `Learner`."""
        return self._logits(theta, self._features(theta, x, reference))

    def _logits(self, theta: Params, features: Tensor) -> Tensor:
        return self.fine_tune_scale * cosines(features, theta[NEW])

    def logits_of_all(self, phi: Params, features: Tensor) -> Tensor:
        """See `Pretrained`."""
        return self.scale * cosines(features, phi[WEIGHT])


def cosines(features: Tensor, heads: Tensor) -> Tensor:
    """The cosine (*B, N, C) of each of features (*B, N, D) and each column of heads (*B, D, C)."""
    return F.normalize(features, dim=-1, eps=TINY) @ F.normalize(heads, dim=-2, eps=TINY)
