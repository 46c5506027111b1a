"""Inner steps that move a part of the model: its head alone, or its body alone."""

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from metaopt.algorithms.learner import Learner
from metaopt.errors import InvalidModel
from metaopt.models.base import Params, WithHead
from metaopt.models.head import head_of, with_features
from metaopt.tasks.base import Examples

FEATURES = "features(support)"
"""In θ: what the head is applied to, of the support examples."""


class _Part(Learner):
    def checked(self) -> Self:
        """The learner itself.

        Raises:
            InvalidModel: the model does not say which its head is, or inner steps would move
                nothing.
        """
        if self.adapted:
            return self
        still = ", ".join(sorted(self.model.not_adapted)) or "none"
        raise InvalidModel(
            f"inner steps would move nothing of this model: its head is "
            f"{', '.join(head_of(self.model))}, its parameters are {', '.join(self.model.shapes)}, "
            f"and it keeps still {still}"
        )


@dataclass(frozen=True)
class HeadAlone(_Part):
    """ANIL: an inner step moves the weights of the last layer, and the body is used as it is.

        w_{j+1} = w_j − α ∇_w L(w_j · f(support)),   f the body, the same at all steps
        g = ∇_φ (1/T) Σ_τ L(w_K · f(query_τ)),       φ = (f, w_0), the derivative of w_K included

    The features f(support) of a task are computed once, where the model can (`WithHead`), and not
    at each step, forwards and backwards; in an evaluation, too.  Batch norm's statistics are those
    of the support examples there, as in MAML's inner loop.

    Reference:
        Raghu, Raghu, Bengio & Vinyals (2020), arXiv:1909.09157, section 4 (almost no inner loop).
    """

    @property
    def adapted(self) -> tuple[str, ...]:
        """The parameters of the head, but those that the model keeps still."""
        return tuple(name for name in head_of(self.model) if name not in self.model.not_adapted)

    def begin(self, phi: Params, support: Examples, tasks: int) -> Params:
        """Return φ for each task, and the features of its support examples."""
        theta = super().begin(phi, support, tasks)
        model = self._with_features()
        if model is None:
            return theta
        x = support.x if self.compute is None else support.x.to(self.compute)
        weights = self.computed_with(theta, tuple(self.model.shapes))
        return theta | {FEATURES: model.features(weights, x)}

    def inner_loss(self, theta: Params, support: Examples) -> Tensor:
        """The loss (*B,) of what the head answers for the features."""
        model = self._with_features()
        if model is None:
            return self.loss(theta, support)
        outputs = model.answer(self.computed_with(theta, model.head), theta[FEATURES])
        return self.loss_of(outputs.to(support.x.dtype), support.y)

    def _with_features(self) -> WithHead | None:
        """The model, if features of a support set are the same at all steps."""
        return with_features(self.model) if self.environment is None else None


@dataclass(frozen=True)
class BodyAlone(_Part):
    """BOIL: an inner step moves every weight but those of the last layer.

        (f, w)_{j+1} = (f_j − α ∇_f L(w · f_j(support)), w)

    The outer step moves the head, too.  It is MAML with an inner rate of 0 for the head.

    Reference:
        Oh, Yoo, Kim & Yun (2021), arXiv:2008.08882, section 3.
    """

    @property
    def adapted(self) -> tuple[str, ...]:
        """The parameters of the body, but those that the model keeps still."""
        head = head_of(self.model)
        return tuple(name for name in super().adapted if name not in head)
