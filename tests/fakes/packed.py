"""Packed data sets whose examples say which they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from metaopt.data.manifest import Group, Manifest
from metaopt.data.pack import Packed

PARTS = ("train", "validation", "test")


def groups(
    sizes: Sequence[int], *, given: bool = False, support: Sequence[int] | None = None
) -> tuple[Group, ...]:
    """Groups g0, g1, … of these sizes; where `given`, in turn of each split."""
    return tuple(
        Group(
            f"g{i}",
            size,
            PARTS[i % 3] if given else None,
            None if support is None else support[i],
        )
        for i, size in enumerate(sizes)
    )


def table(sizes: Sequence[int], *, target: Any = "class", **more: Any) -> Packed:
    """Rows (group, number in its group, noise); the number to predict is 100 · group + number."""
    x = np.concatenate(
        [[[g, i] for i in range(size)] or np.empty((0, 2)) for g, size in enumerate(sizes)]
    )
    noise = np.random.default_rng(1).normal(5.0, 3.0, (len(x), 1))
    arrays = {"x": np.hstack([x, noise]).astype(np.float32)}
    outputs = 0
    if target == "number":
        arrays["y"] = (100 * x[:, :1] + x[:, 1:]).astype(np.float32)
        outputs = 1
    kind: Any = "episodes" if more.get("support") else "table"
    return Packed(Manifest(kind, target, (3,), outputs, groups(sizes, **more), arrays=""), arrays)


def images(sizes: Sequence[int], *, shape: tuple[int, ...] = (1, 4, 4), **more: Any) -> Packed:
    """Random images, no two alike."""
    x = np.random.default_rng(2).integers(0, 256, (sum(sizes), *shape), dtype=np.uint8)
    assert len(np.unique(x.reshape(len(x), -1), axis=0)) == len(x)
    return Packed(Manifest("images", "class", shape, 0, groups(sizes, **more), arrays=""), {"x": x})


def labelled(counts: Sequence[Sequence[int]]) -> Packed:
    """Tasks with so many examples of the classes c0, c1, …; rows (task, class, number in it)."""
    tasks = tuple(Group(f"t{i}", sum(n), counts=tuple(n)) for i, n in enumerate(counts))
    rows = [
        (t, c, i) for t, n in enumerate(counts) for c, many in enumerate(n) for i in range(many)
    ]
    classes = tuple(f"c{i}" for i in range(len(counts[0])))
    manifest = Manifest("table", "label", (3,), len(classes), tasks, arrays="", targets=classes)
    return Packed(manifest, {"x": np.array(rows, np.float32)})
