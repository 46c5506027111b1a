"""Sinusoids: the regression tasks of MAML's paper."""

import math
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
    from metaopt.tasks.regression import Sinusoid

    amplitude, phase, x = ((low, high) for low, high in (options[name] for name in _RANGES))
    return Sinusoid(amplitude, phase, x, dtype)


_RANGES = ("amplitude", "phase", "x")

KIND = TaskKind(
    name="sinusoid",
    doc="y = A·sin(x − φ); one task is one (A, φ).  Finn et al. (2017), section 5.1.",
    options=(
        *SHOTS,
        Option("amplitude", "interval", (0.1, 5.0), "Range of A."),
        Option("phase", "interval", (0.0, math.pi), "Range of φ, in radians."),
        Option("x", "interval", (-5.0, 5.0), "Range of x."),
    ),
    metrics=("mse", "mae", "nmse"),
    make=_make,
    input_shape=(1,),
)
