"""Omniglot: handwritten characters, the standard of few-shot classification."""

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
    from metaopt.tasks.omniglot.tasks import Omniglot

    return Omniglot.load(dict(options), device, dtype, path)


KIND = TaskKind(
    name="omniglot",
    doc="N-way classification of Omniglot characters, 28×28, ink high.",
    options=(
        Option("n_way", "int", 5, "Classes of a task.", minimum=2, maximum=100),
        Option("k_shot", "int", 1, minimum=1, maximum=19),
        Option("q_query", "int", 1, minimum=1, maximum=19),
        Option(
            "split",
            "text",
            "vinyals",
            pattern=r"^(vinyals|random:\d{1,9})$",
            form="vinyals, or random: and a number of up to 9 digits, as random:3",
        ),  # fmt: skip
        Option("rotations", "choice", "none", choices=("none", "task", "classes")),
    ),
    metrics=("accuracy", "cross_entropy", "macro_f1"),
    make=_make,
    input_shape=(1, 28, 28),
    outputs="n_way",
    most_ways=1028,  # characters of meta-training in the smaller split, without their turns
    numbered_classes=True,
    examples_per_class=20,
    examples="drawings of a character",
)
