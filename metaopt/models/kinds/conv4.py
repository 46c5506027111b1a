"""The four-layer convolutional network of the few-shot literature."""

from typing import TYPE_CHECKING

from metaopt.errors import InvalidModel
from metaopt.models.kind import INIT, PRECISION, CompileGuess, ModelKind, Size
from metaopt.options import Option, Options

if TYPE_CHECKING:
    from metaopt.models.base import Model


def _make(options: Options, input_shape: tuple[int, ...], outputs: int) -> "Model":
    from metaopt.models.conv4 import Conv4

    chosen = {name: options[name] for name in ("filters", "pooling", "adapt_norm")}
    return Conv4(input_shape, outputs, **chosen, init_kind=options["init"])


def _check(options: Options, input_shape: tuple[int, ...]) -> None:
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise InvalidModel(
            f"model conv4 needs images of at least 16×16, the tasks give {input_shape}"
        )


def _size(options: Options, input_shape: tuple[int, ...], outputs: int) -> Size:
    channels, *sides = input_shape
    filters, strided = options["filters"], options["pooling"] == "stride"
    pixels = 0
    for _ in range(4):
        halves = [(side + 1) // 2 if strided else side // 2 for side in sides]
        height, width = halves if strided else sides  # where the convolution writes
        pixels += height * width
        sides = halves
    weights = 9 * filters * (channels + 3 * filters) + sides[0] * sides[1] * filters * outputs
    return Size(weights, filters * pixels)


KIND = ModelKind(
    name="conv4",
    doc="Four 3×3 convolutions, each with batch norm (batch statistics) and ReLU; affine layer.",
    options=(
        Option("filters", "int", 64, "Channels of each layer.", minimum=1, maximum=512),
        Option("pooling", "choice", "stride", choices=("stride", "max")),
        Option("adapt_norm", "bool", True, "Whether inner steps move batch norm's γ and β."),
        INIT,
        PRECISION,
    ),
    make=_make,
    size=_size,
    check=_check,
    batch_statistics=True,
    # Stacked convolutions gain only while they are narrow.
    most_lanes=lambda options: max(1, 32 // options["filters"]),
    # Fused, Inductor 2.13 miscompiles the patches of convolutions for some shapes: meta-gradients
    # are off by factors, the same on every call.  Apart they are right, and faster.
    inductor={"max_fusion_size": 1, "epilogue_fusion": False},
    compile_guess=CompileGuess(seconds=110.0, faster=1.2),
)
