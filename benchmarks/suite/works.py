"""What is measured: work items, the same for every contender.  No torch here.

MAML items train with Adam and a constant rate on fresh tasks at each meta-iteration; Reptile's with
ε constant, on mini-batches cut from one reshuffled order of a task's examples.
"""

from dataclasses import dataclass
from typing import Any

from metaopt.algorithms.registry import ALGORITHMS


@dataclass(frozen=True, eq=False)
class Work:
    """One work item.

    Args:
        name: Key in the results.
        title: What it is, in the table.
        tasks, model: As in a study spec.
        algorithm: "maml" or "reptile".
        params: Meta-parameters of each trial.
    """

    name: str
    title: str
    tasks: dict[str, Any]
    model: dict[str, Any]
    algorithm: str
    params: dict[str, Any]

    @property
    def steps(self) -> int:
        """Return the inner steps K."""
        return int(self.params["inner_steps"])

    @property
    def meta_batch(self) -> int:
        """Return the tasks of a meta-iteration."""
        return int(self.params["meta_batch"])

    @property
    def inner_lr(self) -> float:
        """Return α."""
        return float(self.params["inner_lr"])

    @property
    def outer_rate(self) -> str:
        """Return the name of the outer rate."""
        return ALGORITHMS.get(self.algorithm).outer_rate

    @property
    def first_order(self) -> bool:
        """Return whether the meta-gradient drops the second derivatives."""
        return self.params.get("order") == "first"

    @property
    def images(self) -> bool:
        """Return whether the tasks are Omniglot's."""
        return bool(self.tasks["kind"] == "omniglot")


SINUSOID = {"kind": "sinusoid", "k_shot": 10, "q_query": 10}
MLP = {"kind": "mlp", "widths": [40, 40], "activation": "relu"}
OMNIGLOT = {"kind": "omniglot", "n_way": 5, "k_shot": 1, "q_query": 1}
CONV4 = {"kind": "conv4", "filters": 32, "pooling": "stride"}


def _sinusoid(order: str, steps: int) -> Work:
    params = {
        "inner_steps": steps, "inner_lr": 0.01, "meta_batch": 25, "order": order, "outer_lr": 1e-3,
    }  # fmt: skip
    title = (
        f"MAML, sinusoid, {order} order, {steps} inner step{'s'[: steps > 1]}, "
        "25 tasks of 10 + 10 points, MLP 1-40-40-1"
    )
    return Work(f"sinusoid_{order}_{steps}", title, SINUSOID, MLP, "maml", params)


def _omniglot(name: str, steps: int, tasks: int) -> Work:
    params = {
        "inner_steps": steps, "inner_lr": 0.1, "meta_batch": tasks, "order": "second",
        "outer_lr": 1e-3,
    }  # fmt: skip
    title = (
        f"MAML, Omniglot 5-way 1-shot, second order, {steps} inner step{'s'[: steps > 1]}, "
        f"{tasks} tasks, conv4 of 32 filters, strided, batch statistics"
    )
    return Work(name, title, OMNIGLOT, CONV4, "maml", params)


_REPTILE = Work(
    "reptile_sinusoid",
    "Reptile, sinusoid, 5 tasks of 50 points, 5 inner SGD steps on mini-batches of 10, "
    "MLP 1-40-40-1",
    SINUSOID,
    MLP,
    "reptile",
    {
        "inner_steps": 5, "inner_lr": 0.02, "meta_batch": 5, "train_shots": 50, "inner_batch": 10,
        "epsilon": 0.1, "schedule": "constant",
    },
)  # fmt: skip

CPU_WORKS = (
    _sinusoid("second", 1),
    _sinusoid("second", 5),
    _sinusoid("first", 5),
    _REPTILE,
    _omniglot("omniglot_conv4", 1, 8),  # 8 tasks: a core should do several in a second
)
GPU_WORKS = (_omniglot("omniglot_conv4_1", 1, 32), _omniglot("omniglot_conv4_5", 5, 32))


def works_of(device: str) -> tuple[Work, ...]:
    """Return the work items of a device, "cpu" or "cuda"."""
    return CPU_WORKS if device == "cpu" else GPU_WORKS


def find(name: str) -> Work:
    """Return the work item of that name."""
    return next(work for work in CPU_WORKS + GPU_WORKS if work.name == name)
