"""The twelve-layer residual network of the few-shot literature."""

from functools import lru_cache
from typing import TYPE_CHECKING

from metaopt.errors import InvalidModel
from metaopt.models.kind import PRECISION, CompileGuess, ModelKind, Size
from metaopt.options import Option, Options

if TYPE_CHECKING:
    from metaopt.models.base import Model


@lru_cache(maxsize=4)  # a winner makes its model at every call
def _lifted(input_shape: tuple[int, ...], outputs: int, width: int, adapt: str) -> "Model":
    from metaopt.models.lifted import Lifted
    from metaopt.models.resnet12 import ResNet12

    # It needs no proof at each start: test_resnet12.py and test_head.py of the tests have it.
    model = Lifted(
        "resnet12",
        lambda: ResNet12(input_shape, outputs, width),
        input_shape,
        outputs,
        adapt=adapt,
    )
    model.features = model.below_head
    return model


def _make(options: Options, input_shape: tuple[int, ...], outputs: int) -> "Model":
    return _lifted(tuple(input_shape), outputs, options["width"], options["adapt"])


def _check(options: Options, input_shape: tuple[int, ...]) -> None:
    if len(input_shape) != 3 or min(input_shape[1:]) < 16:
        raise InvalidModel(
            f"model resnet12 needs images of at least 16×16, the tasks give {input_shape}"
        )


def _size(options: Options, input_shape: tuple[int, ...], outputs: int) -> Size:
    channels, height, width = input_shape
    weights = activations = 0
    for i in range(4):
        filters = options["width"] * 2**i
        weights += filters * (10 * channels + 18 * filters + 8)
        activations += 4 * filters * height * width
        channels, height, width = filters, height // 2, width // 2
    return Size(weights + channels * outputs, activations)


KIND = ModelKind(
    name="resnet12",
    doc="Four residual blocks of three 3×3 convolutions with batch norm (batch statistics) and "
    "leaky ReLU, max-pooling; mean over space; affine layer.",
    options=(
        Option(
            "width", "int", 64,
            "Channels of the first block; the others have 2, 4 and 8 times as many.",
            minimum=1, maximum=512,
        ),
        Option(
            "adapt", "choice", "all",
            "What inner steps move: all, the affine layer (head), or all but it (body).",
            choices=("all", "head", "body"),
        ),
        PRECISION,
    ),
    make=_make,
    size=_size,
    check=_check,
    batch_statistics=True,
    most_lanes=lambda options: max(1, 32 // options["width"]),  # as conv4
    inductor={"max_fusion_size": 1, "epilogue_fusion": False},
    # Its convolutions are a library's, compiled or not: nothing to gain.
    compile_guess=CompileGuess(seconds=300.0, faster=1.0),
)  # fmt: skip
