"""The declared kinds: torch-free, and true to what they declare."""

import subprocess
import sys

import pytest
import torch

from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.base import Layout
from metaopt.models.make import make_model
from metaopt.models.registry import MODELS
from metaopt.options import with_defaults
from metaopt.tasks.kind import TaskKind
from metaopt.tasks.make import make_tasks
from metaopt.tasks.registry import TASKS

DECLARED = """
import sys
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.models.registry import MODELS
from metaopt.tasks.registry import TASKS
print(*TASKS.names(), *MODELS.names(), *ALGORITHMS.names())
heavy = [name for name in ("torch", "optuna", "numpy") if name in sys.modules]
assert not heavy, heavy
"""


def test_declarations_load_no_torch() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DECLARED], capture_output=True, text=True, check=True
    )
    names = [*TASKS.names(), *MODELS.names(), *ALGORITHMS.names()]
    assert done.stdout.split() == names
    assert {"dataset", "sinusoid", "conv4", "module", "maml", "reptile"} < set(names)


# One of them has no tasks without a data set: tests/metaopt/tasks/kinds.
COMPLETE = [kind for kind in TASKS.kinds() if kind.name != "dataset"]


@pytest.mark.parametrize("kind", COMPLETE, ids=lambda kind: kind.name)
def test_tasks_have_the_shapes_and_the_score_that_their_kind_declares(kind: TaskKind) -> None:
    options = with_defaults(kind.options, {})
    tasks = make_tasks({"kind": kind.name})
    assert tuple(tasks.input_shape) == kind.shape(options)
    assert tasks.outputs == kind.width(options)
    assert tasks.classification is kind.classification(options)
    support = tasks.sample("train", torch.tensor([1]), 1, 1).support
    assert support.y.shape[1] == kind.classes(options)


@pytest.mark.parametrize(
    ("name", "spec"),
    # Of a module nobody knows it.
    [*((k.name, {}) for k in MODELS.kinds() if k.size), ("conv4", {"pooling": "max"})],
)
def test_a_declared_size_is_about_that_of_the_model(name: str, spec: dict[str, str]) -> None:
    kind, shape = MODELS.get(name), (1, 28, 28)
    size = kind.size_of(with_defaults(kind.options, spec), shape, 5)
    total = Layout(make_model({"kind": name, **spec}, shape, 5).shapes).total
    assert 0.95 * total < size.weights <= total
