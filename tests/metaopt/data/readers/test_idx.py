"""MNIST's files: labels beside images, gzipped or not, one pair or several."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from metaopt.data.manifest import Group
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.errors import InvalidData
from tests.fakes.pictures import write_files

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), np.uint8)
LABELS = np.array([2, 10, 2, 1, 10], np.uint8)


def idx(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    head = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.tobytes()


def pair(prefix: str, zipped: bool = False) -> dict[str, bytes]:
    end, wrap = (".gz", gzip.compress) if zipped else ("", bytes)
    return {
        f"{prefix}-images-idx3-ubyte{end}": wrap(idx(IMAGES)),
        f"{prefix}-labels-idx1-ubyte{end}": wrap(idx(LABELS)),
    }


def refused(path: Path) -> str:
    with pytest.raises(InvalidData) as error:
        read(path)
    return str(error.value)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("is_folder", [False, True])
def test_pixels_are_those_of_the_file_class_by_class(
    tmp_path: Path, zipped: bool, is_folder: bool
) -> None:
    write_files(tmp_path, pair("t10k", zipped))
    path = tmp_path if is_folder else next(tmp_path.glob("*images*"))
    packed = read(path)[1]
    assert packed.manifest.groups == (Group("1", 1), Group("2", 2), Group("10", 2))
    assert np.array_equal(packed.arrays["x"][:, 0], IMAGES[[3, 0, 2, 1, 4]])
    inverted = read(path, Packing(invert=True))[1]
    assert np.array_equal(inverted.arrays["x"], 255 - packed.arrays["x"])


def test_two_pairs_are_two_splits(tmp_path: Path) -> None:
    write_files(tmp_path, pair("train") | pair("t10k"))
    manifest = read(tmp_path)[1].manifest
    assert [(g.name, g.split) for g in manifest.groups][2:4] == [("10", "train"), ("1", "test")]
    assert manifest.notices[0].startswith("3 classes are in more than one split")
    assert any("5 examples equal another of another split" in one for one in manifest.notices)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    files = pair("t10k")
    images, labels = files
    for change, words in (
        ({images: files[images][:-1]}, "must have 60 bytes after its head, has fewer"),
        ({images: files[images] + b"x"}, "must have 60 bytes after its head, has more"),
        ({labels: idx(LABELS[:4])}, "has 5 images and 4 labels"),
        ({labels: files[images]}, "is no IDX file of bytes with 1 axes"),
        ({images: bytes([0, 0, 8, 3]) + b"\xff" * 12}, "take fewer images"),
        ({images: gzip.compress(files[images])[:40]}, "is damaged"),
    ):
        write_files(tmp_path, {**files, **change})
        assert words in refused(tmp_path), words
    write_files(tmp_path, files)
    (tmp_path / labels).unlink()
    assert f"needs its labels beside it, in {labels}" in refused(tmp_path)
