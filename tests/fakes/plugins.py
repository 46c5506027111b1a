"""Packages of somebody else, installed as pip does it: files, metadata, entry points and RECORD."""

import base64
import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from metaopt.plugins.description import FAMILIES

EntryPoints = Mapping[str, Mapping[str, str]]
"""Values as "package.module:KIND" by group and name."""

TASKS = '''"""Tasks of a test."""

from metaopt.options import Option
from metaopt.tasks.kind import SHOTS, TaskKind


def _make(options, device, dtype, path):
    from metaopt import seeding
    from metaopt.tasks.base import SPLITS, Episodes, Examples

    class Parabolas:
        input_shape, outputs, classification = (options["features"],), 1, False

        def sample(self, split, keys, k_shot, q_query):
            keys = seeding.fold_in(keys, SPLITS.index(split))
            u = seeding.uniform(keys, 1 + (k_shot + q_query) * options["features"]).to(dtype)
            x = (2 * u[..., 1:] - 1).unflatten(-1, (-1, options["features"]))
            y = options["steepest"] * u[..., :1, None] * x.square().sum(-1, keepdim=True)
            support = Examples(x[..., :k_shot, :], y[..., :k_shot, :])
            return Episodes(support, Examples(x[..., k_shot:, :], y[..., k_shot:, :]))

    return Parabolas()


KIND = TaskKind(
    name="parabola",
    doc="y = a·|x|²; one task is one a, uniform up to `steepest`.",
    options=(
        *SHOTS,
        Option("steepest", "float", 2.0, "Largest a.", minimum=0.1, maximum=100),
        Option("features", "int", 1, "Width of x.", minimum=1, maximum=8),
    ),
    metrics=("mse", "mae"),
    make=_make,
    input_shape=("features",),
)
'''

MODULE = '''"""A module of a test."""

import torch
from torch import nn


class Net(nn.Module):
    """Two layers."""

    def __init__(self, input_shape, outputs, hidden: int = 8, activation: str = "tanh"):
        super().__init__()
        self.body = nn.Linear(*input_shape, hidden)
        self.head = nn.Linear(hidden, outputs)
        self.activation = getattr(torch, activation)

    def forward(self, x):
        return self.head(self.activation(self.body(x)))
'''

ALGORITHM = '''"""An algorithm of a test: first-order MAML whose weights are pulled to zero."""

from metaopt.algorithms.algorithm import Algorithm
from metaopt.metaparams import TEST_STEPS, MetaParam


def _draw(tasks, keys, *, k_shot, q_query, options, step_cap):
    from metaopt.algorithms.drawn import Drawn, nothing

    episodes = tasks.sample("train", keys, k_shot, q_query)
    return Drawn(episodes.support, episodes.query, nothing(keys))


def _meta_gradient(learner, phi, drawn, *, numbers, options, step_cap, state):
    from metaopt.algorithms import maml
    from metaopt.algorithms.drawn import MetaGradient
    from metaopt.tasks.base import Episodes

    gradient, loss = maml.meta_gradient(
        learner, phi, Episodes(drawn.support, drawn.query), inner_lr=numbers["inner_lr"],
        inner_steps=numbers["inner_steps"], step_cap=step_cap, first_order=True,
    )
    return MetaGradient(gradient + numbers["pull"][:, None] * phi, loss)


KIND = Algorithm(
    name="pulled",
    params=(
        MetaParam("inner_lr", "float", 0.1, "1", "Step size α.", "ours", low=1e-3, high=1.0,
                  log=True, searched=True),
        MetaParam("inner_steps", "int", 1, "steps", "Inner steps K.", "ours", low=1, high=5,
                  minimum=1, maximum=20),
        MetaParam("outer_lr", "float", 0.1, "1", "Step size β.", "ours", low=1e-2, high=1.0),
        MetaParam("pull", "float", 0.0, "1", "Pull to zero.", "ours", low=0.0, high=0.5),
        TEST_STEPS,
        MetaParam("meta_batch", "int", 4, "tasks", "Tasks per meta-iteration.", "ours", low=2,
                  high=8, minimum=1, lane=False),
    ),
    outer_rate="outer_lr",
    draw=_draw,
    meta_gradient=_meta_gradient,
)
'''


def install(
    directory: Path,
    name: str,
    version: str,
    files: Mapping[str, str],
    entry_points: EntryPoints,
    *,
    record: bool = True,
) -> None:
    """Install a package into `directory`, which is to be on sys.path or PYTHONPATH.

    Args:
        name, version: Of the distribution.
        files: Their texts by path, as "toys/tasks.py"; folders get an `__init__.py`.
        entry_points: What it declares.
        record: Whether RECORD lists the files; an editable installation lists none of them.
    """
    written = dict(files)
    for path in files:
        for folder in list(Path(path).parents)[:-1]:
            written.setdefault(f"{folder.as_posix()}/__init__.py", "")
    info = f"{name.replace('-', '_')}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/INSTALLER": "pip\n",
        f"{info}/entry_points.txt": "\n".join(
            f"[{group}]\n" + "".join(f"{point} = {value}\n" for point, value in points.items())
            for group, points in entry_points.items()
        ),
    }
    listed = []
    for path, text in {**written, **metadata}.items():
        file = directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        if record or path in metadata:
            listed.append(_line(path, text.encode()))
    lines = "".join(listed) + f"{info}/RECORD,,\n"
    (directory / info / "RECORD").write_text(lines, encoding="utf-8")


def install_toys(directory: Path, name: str = "metaopt-toys", version: str = "1.0") -> None:
    """Install tasks `parabola`, an algorithm `pulled` and the module "metaopt_toys.nets:Net"."""
    package = name.replace("-", "_")
    install(
        directory,
        name,
        version,
        {
            f"{package}/tasks.py": TASKS,
            f"{package}/nets.py": MODULE,
            f"{package}/algorithms.py": ALGORITHM,
        },
        {
            "metaopt.tasks": {"parabola": f"{package}.tasks:KIND"},
            "metaopt.models": {"net": f"{package}.nets:Net"},
            "metaopt.algorithms": {"pulled": f"{package}.algorithms:KIND"},
        },
    )


@contextmanager
def importable(directory: Path) -> Iterator[None]:
    """Have `directory` on the path of this process; what was imported and learnt is forgotten."""
    before = set(sys.modules)
    known = {family: set(registry.names()) for family, registry in FAMILIES.items()}
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        sys.path.remove(str(directory))
        for family, registry in FAMILIES.items():
            for name in set(registry.names()) - known[family]:
                registry.forget(name)
        for name in set(sys.modules) - before:
            if str(directory) in str(getattr(sys.modules[name], "__file__", None)):
                del sys.modules[name]


def _line(path: str, content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
    return f"{path},sha256={digest},{len(content)}\n"
