"""Random quadratics: functions to minimise, as those of learning to learn by gradient descent."""

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
    from metaopt.tasks.regression import Quadratic

    return Quadratic(options["dimension"], dtype)


KIND = TaskKind(
    name="quadratic",
    doc="f(θ) = ‖Wθ − y‖²/n; one task is one (W, y), standard normal, a row of W an input.  "
    "Andrychowicz et al. (2016), section 3.1.",
    options=(
        *SHOTS,
        Option("dimension", "int", 10, "Width of W.", minimum=1, maximum=4096),
    ),
    metrics=("mse",),
    make=_make,
    input_shape=("dimension",),
)
