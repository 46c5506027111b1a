"""What a task says of itself to people, beside its examples."""

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

Ink = Callable[[NDArray[Any]], NDArray[Any]]
"""Inputs (N, *input shape) -> images (N, height, width) in [0, 1], 1 being black on white."""


class Description(NamedTuple):
    """What one task is.

    Args:
        sentence: What tells it from other tasks of its kind, e.g. "y = 2.1·sin(x - 0.53)".
        classes: What each class is, by its label; () where there are none, or nothing to say.
        ink: How to see inputs; None where they are no images of classes.
        names: What each class is called in every task that it is in, or the task itself if its
            examples alone differ from draw to draw; () as for `classes`.
    """

    sentence: str = ""
    classes: tuple[str, ...] = ()
    ink: Ink | None = None
    names: tuple[str, ...] = ()
