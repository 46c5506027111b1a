"""What a record's `meta_gradient` is given, as one thing.

A population calls it with seven arguments (`Algorithm.meta_gradient`), of which each algorithm
hands some to its own function.  `gradient_of_given` makes the one of the other.  No torch here.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from metaopt.algorithms.algorithm import Values

if TYPE_CHECKING:
    from torch import Tensor

    from metaopt.algorithms.drawn import Drawn, MetaGradient
    from metaopt.algorithms.inner import InnerState
    from metaopt.algorithms.learner import Learner
    from metaopt.tasks.base import Episodes


class Given(NamedTuple):
    """What a meta-gradient is computed of; see `metaopt.algorithms.algorithm.Algorithm`."""

    learner: "Learner"
    phi: "Tensor"
    drawn: "Drawn"
    numbers: "Mapping[str, Tensor]"
    options: Values
    step_cap: int
    state: "InnerState | None"

    @property
    def episodes(self) -> "Episodes":
        """Support and query sets."""
        from metaopt.tasks.base import Episodes

        return Episodes(self.drawn.support, self.drawn.query)

    @property
    def inner_loop(self) -> dict[str, Any]:
        """How inner steps run, by the names that whoever takes them gives it."""
        return {
            "inner_lr": self.numbers["inner_lr"],
            "inner_steps": self.numbers["inner_steps"],
            "step_cap": self.step_cap,
        }


def gradient_of_given(
    compute: Callable[[Given], tuple[Any, ...]],
) -> Callable[..., "MetaGradient"]:
    """A record's `meta_gradient`, of a function that returns gradient, loss, and maybe memory."""

    def meta_gradient(
        learner: "Learner", phi: "Tensor", drawn: "Drawn", **given: Any
    ) -> "MetaGradient":
        from metaopt.algorithms.drawn import MetaGradient

        return MetaGradient(*compute(Given(learner, phi, drawn, **given)))

    return meta_gradient
