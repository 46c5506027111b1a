"""Fully connected networks."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from metaopt.models.kind import INIT, PRECISION, ModelKind, Size
from metaopt.options import Option, Options

if TYPE_CHECKING:
    from metaopt.models.base import Model


def _make(options: Options, input_shape: tuple[int, ...], outputs: int) -> "Model":
    from metaopt.models.mlp import Mlp

    widths = tuple(options["widths"])
    return Mlp(input_shape, widths, outputs, options["activation"], options["init"])


def _size(options: Options, input_shape: tuple[int, ...], outputs: int) -> Size:
    layers = [math.prod(input_shape), *options["widths"], outputs]
    return Size(sum(math.prod(pair) for pair in pairwise(layers)), sum(layers))


KIND = ModelKind(
    name="mlp",
    doc="Fully connected layers with an activation between them.",
    options=(
        Option("widths", "widths", (40, 40), "Of the hidden layers.", minimum=1, maximum=4096),
        Option("activation", "choice", "relu", choices=("relu", "tanh")),
        INIT,
        PRECISION,
    ),
    make=_make,
    size=_size,
)
