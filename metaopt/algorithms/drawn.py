"""What goes into a meta-iteration, and what comes out of it, for all lanes at once."""

from typing import NamedTuple

from torch import Tensor

from metaopt.algorithms.inner import InnerState
from metaopt.tasks.base import Examples


class Drawn(NamedTuple):
    """What a meta-iteration trains on; leading axes (H, T), or (n, H, T) for n of them.

    Args:
        support, query: Examples; no query examples where an algorithm needs none.
        batches: Whole numbers that an algorithm draws beside them, as Reptile's mini-batches (…,
            step cap, batch); width 0 for nothing.
    """

    support: Examples
    query: Examples
    batches: Tensor

    def at(self, index: int) -> "Drawn":
        """What meta-iteration `index` of n trains on."""
        support, query = (Examples(e.x[index], e.y[index]) for e in (self.support, self.query))
        return Drawn(support, query, self.batches[index])

    def contiguous(self) -> "Drawn":
        """The same with examples of its own memory, as a compiled program wants them."""
        support, query = (
            Examples(e.x.contiguous(), e.y.contiguous()) for e in (self.support, self.query)
        )
        return Drawn(support, query, self.batches)


class MetaGradient(NamedTuple):
    """Each lane's gradient (H, P) and loss (H,), detached, and the inner Adam's memory."""

    gradient: Tensor
    loss: Tensor
    state: InnerState | None = None


def nothing(keys: Tensor) -> Tensor:
    """`Drawn.batches` of an algorithm that draws nothing beside its examples."""
    return keys.new_empty(*keys.shape, 0, 0)
