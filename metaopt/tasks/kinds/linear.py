"""Random linear functions: the smallest tasks there are."""

from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.options import Option, Options
from metaopt.tasks.kind import SHOTS, TaskKind

if TYPE_CHECKING:
    import torch

    from metaopt.tasks.base import Tasks


def _make(
    options: Options, device: "str | torch.device", dtype: "torch.dtype", path: Path | None
) -> "Tasks":
    from metaopt.tasks.regression import Linear

    return Linear(options["features"], options["noise"], dtype)


KIND = TaskKind(
    name="linear",
    doc="y = w·x + b + noise; one task is one (w, b), standard normal.",
    options=(
        *SHOTS,
        Option("features", "int", 1, "Width of x.", minimum=1, maximum=4096),
        Option("noise", "float", 0.0, "Standard deviation of the noise.", minimum=0, maximum=1e3),
    ),
    metrics=("mse", "mae", "nmse"),
    make=_make,
    input_shape=("features",),
)
