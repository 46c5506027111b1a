"""Whatever the data are and whatever the seed: no example of one split is in a task of another."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metaopt.tasks.base import SPLITS
from metaopt.tasks.dataset.tasks import DatasetTasks
from tests.fakes.packed import images, table
from tests.properties import examples

SIZES = [6] * 15
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "images": (images(SIZES), {"n_way": 2, "flips": True}),
    "images, turned": (images(SIZES), {"n_way": 4, "rotations": "classes"}),
    "rows of classes": (table(SIZES), {"n_way": 2}),
    "rows of tasks": (table(SIZES, target="number"), {}),
    "episodes": (table(SIZES, target="number", support=[3] * 15), {}),
}


def turned_and_mirrored(image: np.ndarray) -> bytes:
    """The same for all turns and mirrors of an image."""
    turns = (np.rot90(image, n, (-2, -1)) for n in range(4))
    return min(np.ascontiguousarray(t).tobytes() for one in turns for t in (one, one[..., ::-1]))


def seen(tasks: DatasetTasks, split: str, keys: torch.Tensor) -> set[bytes]:
    parts = tasks.sample(split, keys, 2, 2)
    rows = [row for part in parts for row in part.x.flatten(0, 1).numpy()]
    return {turned_and_mirrored(row) if row.ndim == 3 else row.tobytes() for row in rows}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(15))
@given(seed=st.integers(0, 999_999_999), key=st.integers(0, 2**62))
def test_splits_share_no_example(kind: str, seed: int, key: int) -> None:
    packed, options = KINDS[kind]
    tasks = DatasetTasks.of(packed, split=f"random:{seed}", normalise="none", **options)
    train, validation, test = (seen(tasks, split, torch.arange(8) + key) for split in SPLITS)
    assert train and validation and test
    assert not train & validation and not train & test and not validation & test
