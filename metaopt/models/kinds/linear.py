"""One affine layer."""

import math
from typing import TYPE_CHECKING

from metaopt.models.kind import ModelKind, Size
from metaopt.options import Options

if TYPE_CHECKING:
    from metaopt.models.base import Model


def _make(options: Options, input_shape: tuple[int, ...], outputs: int) -> "Model":
    from metaopt.models.mlp import Mlp

    return Mlp(input_shape, (), outputs)


def _size(options: Options, input_shape: tuple[int, ...], outputs: int) -> Size:
    inputs = math.prod(input_shape)
    return Size(inputs * outputs, inputs + outputs)


KIND = ModelKind(name="linear", doc="One affine layer.", options=(), make=_make, size=_size)
