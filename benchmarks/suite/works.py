"""What is measured: work items, the same for every contender.  No torch here.

MAML items train with Adam and a constant rate on fresh tasks at each meta-iteration; Reptile's with
ε constant, on mini-batches cut from one reshuffled order of a task's examples.  Items of the rest
of the family are ours beside the plain loop: peers have few of them, and none has them all.
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
        algorithm: Its name.
        params: Meta-parameters of each trial.
        of_the_family: Whether it is neither MAML's nor Reptile's, and no peer's.
    """

    name: str
    title: str
    tasks: dict[str, Any]
    model: dict[str, Any]
    algorithm: str
    params: dict[str, Any]
    of_the_family: bool = False

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
    def mini_batches(self) -> bool:
        """Return whether inner steps see mini-batches, and there is no query set."""
        return "inner_batch" in self.params

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
_ADAM = {"meta_batch": 25, "outer_lr": 1e-3}
_STEP = {**_ADAM, "inner_steps": 1, "inner_lr": 0.01}
_FAMILY: dict[str, dict[str, Any]] = {
    "anil": {**_STEP, "inner_steps": 5},
    "boil": _STEP,
    "cavia": {**_STEP, "inner_lr": 1.0, "context": 5},
    "meta_sgd": {**_ADAM, "inner_steps": 1, "initial_rate": 0.05},
    "meta_curvature": _STEP,
    "maml_plus_plus": {**_STEP, "inner_steps": 3, "table": 3},
    "imaml": {**_STEP, "inner_steps": 16, "proximal": 20.0, "cg_steps": 5},
    "foml": {**_REPTILE.params, "epsilon": 1.0},
    "relational": _STEP,
    "learned_optimizer": {
        **_ADAM, "meta_batch": 5, "inner_steps": 5, "unroll": 5, "hidden": 20, "update_scale": 0.01,
    },
    "cnp": _ADAM,
    "r2d2": _ADAM,
    "pretrain": _ADAM,
}  # fmt: skip
"""On sinusoids, by algorithm."""
_FAMILY_ON_OMNIGLOT: dict[str, dict[str, Any]] = {
    "protonet": {"meta_batch": 8, "outer_lr": 1e-3},
    "matching": {"meta_batch": 8, "outer_lr": 1e-3},
    "proto_maml": {**_STEP, "meta_batch": 8},
}
"""They need classes."""


def _of_the_family() -> tuple[Work, ...]:
    sinusoids = [
        Work(
            f"{name}_sinusoid", f"{name}, sinusoid, 10 + 10 points, MLP 1-40-40-1: {_said(params)}",
            SINUSOID, MLP, name, params, of_the_family=True,
        )
        for name, params in _FAMILY.items()
    ]  # fmt: skip
    omniglot = [
        Work(
            f"{name}_omniglot",
            f"{name}, Omniglot 5-way 1-shot, conv4 of 32 filters, strided: {_said(params)}",
            OMNIGLOT, CONV4, name, params, of_the_family=True,
        )
        for name, params in _FAMILY_ON_OMNIGLOT.items()
    ]  # fmt: skip
    return (*sinusoids, *omniglot)


def _said(params: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in params.items())


FAMILY_WORKS = _of_the_family()
GPU_WORKS = (_omniglot("omniglot_conv4_1", 1, 32), _omniglot("omniglot_conv4_5", 5, 32))


def works_of(device: str) -> tuple[Work, ...]:
    """Return the work items of a device, "cpu" or "cuda"."""
    return CPU_WORKS if device == "cpu" else GPU_WORKS


def find(name: str) -> Work:
    """Return the work item of that name."""
    return next(work for work in CPU_WORKS + FAMILY_WORKS + GPU_WORKS if work.name == name)
