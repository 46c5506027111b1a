"""Navigation in the plane: the reinforcement-learning tasks of MAML's paper that need no robot."""

from pathlib import Path
from typing import TYPE_CHECKING

from metaopt.options import Option, Options
from metaopt.tasks.kind import TaskKind

if TYPE_CHECKING:
    import torch

    from metaopt.tasks.base import Tasks


def _make(
    options: Options, device: "str | torch.device", dtype: "torch.dtype", path: Path | None
) -> "Tasks":
    from metaopt.tasks.navigation import Navigation

    low, high = options["goal"]
    return Navigation(options["horizon"], options["noise"], options["discount"], (low, high), dtype)


KIND = TaskKind(
    name="navigation",
    doc="A point moves to a goal that it does not see; one task is one goal.  "
    "Finn et al. (2017), section 5.3.",
    options=(
        Option("k_shot", "int", 20, "Trajectories that are adapted on.", minimum=1, maximum=10_000),
        Option("q_query", "int", 20, "Trajectories that are judged by.", minimum=1, maximum=10_000),
        Option("horizon", "int", 20, "Actions of a trajectory; 100 in the paper.", minimum=1,
               maximum=1000),
        Option("noise", "float", 0.1, "Standard deviation of the policy's actions, fixed; learned "
               "in the paper.", minimum=1e-3, maximum=10),
        Option("discount", "float", 0.99, "Of the returns that the policy gradient is of.",
               minimum=0, maximum=1),
        Option("goal", "interval", (-0.5, 0.5), "Range of each coordinate of the goal."),
    ),
    metrics=("return",),
    make=_make,
    input_shape=(2,),
    outputs=2,
    example_inputs="horizon",
)  # fmt: skip
