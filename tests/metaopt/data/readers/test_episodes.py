"""Episodes: support and query sets that are given, from .npz and safetensors."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from metaopt.data.manifest import Group, Manifest
from metaopt.data.reading import read
from metaopt.errors import InvalidData, InvalidTasks
from metaopt.tasks.dataset.tasks import DatasetTasks
from tests.properties import examples

PARTS = ("support", "query")


def sines(tasks: int = 3, shots: int = 2, queries: int = 4) -> dict[str, Any]:
    draw = np.random.default_rng(1).normal
    return {
        "support_x": draw(size=(tasks, shots, 2)).astype(np.float32),
        "support_y": draw(size=(tasks, shots)).astype(np.float32),
        "query_x": draw(size=(tasks, queries, 2)).astype(np.float32),
        "query_y": draw(size=(tasks, queries)).astype(np.float32),
    }


def npz(tmp_path: Path, arrays: dict[str, Any]) -> Path:
    path = tmp_path / "episodes.npz"
    np.savez_compressed(path, **arrays)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InvalidData) as error:
        read(path)
    return str(error.value)


def test_rows_lie_task_by_task_support_first(tmp_path: Path) -> None:
    arrays = sines()
    packed = read(npz(tmp_path, arrays))[1]
    assert packed.manifest.groups == tuple(Group(str(i), 6, None, 2) for i in range(3))
    assert (packed.manifest.kind, packed.manifest.target) == ("episodes", "number")
    assert (packed.manifest.input_shape, packed.manifest.outputs) == ((2,), 1)
    for task in range(3):
        begin = packed.offsets[task]
        for name, side in (("x", slice(None)), ("y", 0)):
            rows = packed.arrays[name][begin : begin + 6, side]
            assert np.array_equal(rows[:2], arrays[f"support_{name}"][task])
            assert np.array_equal(rows[2:], arrays[f"query_{name}"][task])


@settings(max_examples=examples(25), deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 5)), min_size=2, max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_ragged_tasks_come_back_row_for_row(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[tuple[int, int]], seed: int
) -> None:
    draw, arrays = np.random.default_rng(seed), {}
    for part, each in zip(PARTS, zip(*sizes, strict=True), strict=True):
        arrays[f"{part}_x"] = draw.normal(size=(sum(each), 3)).astype(np.float32)
        arrays[f"{part}_y"] = draw.normal(size=(sum(each), 2)).astype(np.float32)
        arrays[f"{part}_offsets"] = np.cumsum([0, *each])
    packed = read(npz(tmp_path_factory.mktemp("episodes"), arrays))[1]
    groups = [(group.support, group.examples) for group in packed.manifest.groups]
    assert groups == [(support, support + query) for support, query in sizes]
    for task in range(len(sizes)):
        for name in ("x", "y"):
            mine = [
                arrays[f"{part}_{name}"][slice(*arrays[f"{part}_offsets"][task : task + 2])]
                for part in PARTS
            ]
            begin, end = packed.offsets[task : task + 2]
            assert np.array_equal(packed.arrays[name][begin:end], np.concatenate(mine))


def test_safetensors_and_offsets_say_the_same(tmp_path: Path) -> None:
    arrays = sines()
    plain = read(npz(tmp_path, arrays))[1].manifest
    save_file(arrays, tmp_path / "e.safetensors")
    assert read(tmp_path / "e.safetensors")[1].manifest == plain
    ragged = {name: array.reshape(-1, *array.shape[2:]) for name, array in arrays.items()}
    ragged |= {"support_offsets": np.array([0, 2, 4, 6]), "query_offsets": np.array([0, 4, 8, 12])}
    assert read(npz(tmp_path, ragged))[1].manifest == plain
    ragged |= {"support_offsets": np.array([0, 1, 5, 6])}
    groups = read(npz(tmp_path, ragged))[1].manifest.groups
    assert [(group.support, group.examples) for group in groups] == [(1, 5), (4, 8), (1, 5)]


def test_images_stay_bytes_and_splits_are_kept(tmp_path: Path) -> None:
    arrays = sines()
    for side in ("support", "query"):
        shape = (*arrays[f"{side}_x"].shape[:2], 1, 4, 5)
        arrays[f"{side}_x"] = np.random.default_rng(2).integers(0, 256, shape, np.uint8)
    for split in (np.array(["train", "val", "test"]), np.array([0, 1, 2])):
        packed = read(npz(tmp_path, {**arrays, "split": split}))[1]
        assert packed.arrays["x"].dtype == np.uint8
        assert packed.manifest.input_shape == (1, 4, 5)
        splits = [group.split for group in packed.manifest.groups]
        assert splits == ["train", "validation", "test"]


def test_whole_numbers_are_the_classes_of_each_task(tmp_path: Path) -> None:
    arrays = sines()
    arrays["support_y"] = np.array([[1, 0], [0, 1], [1, 0]])
    arrays["query_y"] = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [1, 0, 1, 0]])
    packed = read(npz(tmp_path, arrays))[1]
    manifest = packed.manifest
    assert (manifest.target, manifest.targets, manifest.outputs) == ("label", ("0", "1"), 2)
    assert [(g.counts, g.supports) for g in manifest.groups] == [
        ((3, 3), (1, 1)), ((4, 2), (1, 1)), ((3, 3), (1, 1)),
    ]  # fmt: skip
    support, query = arrays["support_x"][0], arrays["query_x"][0]
    own = [support[1], query[2], query[3], support[0], query[0], query[1]]
    assert np.array_equal(packed.arrays["x"][:6], own)
    assert Manifest.from_json(manifest.to_json()) == manifest
    tasks = DatasetTasks.of(packed, split="random:0", normalise="none", k_shot=1, q_query=1)
    drawn = tasks.sample("train", torch.arange(50), 1, 1)
    (task,) = tasks.members["train"]
    given = arrays["support_x"][task][np.argsort(arrays["support_y"][task])]
    assert np.array_equal(drawn.support.x, np.broadcast_to(given, (50, *given.shape)))
    for x, y in zip(drawn.query.x.flatten(0, 1), drawn.query.y.flatten(), strict=True):
        of_class = arrays["query_x"][task][arrays["query_y"][task] == int(y)]
        assert (of_class == x.numpy()).all(-1).any()
    with pytest.raises(InvalidTasks, match="1 support examples of '0', k_shot needs 2"):
        DatasetTasks.of(packed, split="random:0", k_shot=2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"query_y": None}, "and lacks query_y"),
        ({"support_y": np.zeros((3, 5))}, "must be (tasks, examples, …) alike, are (3, 2, 2) and"),
        ({"query_x": np.zeros((3, 4, 3), np.float32)}, "(2,) and query_x float32 of (3,): both"),
        ({"support_y": np.zeros((3, 2), int)}, "both must be the same"),
        ({"support_y": np.full((3, 2), -1)}, "must number the classes of a task from 0 to at most"),
        (
            {"support_y": np.full((3, 2), 64)},
            "at most 63, has 64; numbers to predict must be float",
        ),
        ({"support_y": np.zeros((3, 2, 2), int)}, "classes one whole number for each example"),
        (
            {"support_y": np.zeros((3, 2), int), "query_y": np.zeros((3, 4), int)},
            "two classes are the least",
        ),
        ({"support_x": np.full((3, 2, 2), np.nan)}, "support_x has nan in its example 0"),
        ({"support_x": np.full((3, 2, 2), "a")}, "support_x must hold numbers, holds <U1"),
        ({"support_x": np.zeros((3, 2, 2, 2))}, "must be a number, features, or an image"),
        ({"support_x": np.zeros((3, 2, 0))}, "must be a number, features, or an image"),
        ({"split": np.array(["a", "b", "c"])}, "split must be train, validation or test"),
        ({"split": np.array([0, 1])}, "split must be of shape (3,)"),
        ({"support_offsets": np.array([0, 2, 4])}, "must be whole numbers that rise from 0 to the"),
        ({"support_offsets": np.array([0, 3, 3])}, "task 1 has no support examples"),
        ({"query_x": np.zeros((2, 4, 2)), "query_y": np.zeros((2, 4))}, "support has 3 tasks and"),
        ({"support_x": np.array([None] * 3)}, "holds Python objects, which are not read"),
    ],
)
def test_bad_arrays_are_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    arrays = {name: one for name, one in {**sines(), **change}.items() if one is not None}
    assert words in refused(npz(tmp_path, arrays))


def test_one_task_is_too_few(tmp_path: Path) -> None:
    assert "two tasks are the least" in refused(npz(tmp_path, sines(tasks=1)))


def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
    )
    path = npz(tmp_path, sines())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("query_offsets.npy", head.getvalue() + b"few")
    assert "'query_offsets.npy' is damaged: its head tells of another size" in refused(path)


def test_damaged_files_are_named(tmp_path: Path) -> None:
    path = npz(tmp_path, sines())
    content = bytearray(path.read_bytes())
    content[120] ^= 255
    path.write_bytes(bytes(content))
    assert "cannot be read as .npz" in refused(path)
    save_file(sines(), tmp_path / "e.safetensors")
    (tmp_path / "e.safetensors").write_bytes((tmp_path / "e.safetensors").read_bytes()[:-1])
    assert "cannot be read as safetensors" in refused(tmp_path / "e.safetensors")
