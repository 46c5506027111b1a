"""A byte that was flipped, or an end that was lost: a data set or a sentence, nothing else."""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from safetensors.numpy import save

from metaopt.data.reading import read
from metaopt.errors import InvalidData
from tests.fakes.pictures import animals, encoded, grey, write_files, write_zip
from tests.properties import examples

EPISODES = {
    f"{side}_{axis}": np.arange(2 * many, dtype=np.float32).reshape(2, many)
    for side, many in (("support", 2), ("query", 3))
    for axis in "xy"
}


def _parquet() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"class": ["a", "b"], "x": [1.5, 2.5]}), file)
    return file.getvalue()


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **EPISODES)
    return file.getvalue()


def _idx() -> bytes:
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", 4, 2, 2)
    return gzip.compress(head + bytes(range(16)), mtime=0)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    forms = {form: encoded(grey(1, 6, 6), form) for form in ("png", "jpeg", "webp", "gif", "bmp")}
    return {
        **forms,
        "zip": write_zip(folder / "a.zip", animals()).read_bytes(),
        "csv": b'class;x;word\na;1,5;"red"\nb;2,5;blue\n',
        "parquet": _parquet(),
        "npz": _npz(),
        "safetensors": save(EPISODES),
        "idx": _idx(),
    }


def place(folder: Path, form: str, content: bytes) -> Path:
    """Put a file of that form where its like would be, and return what is read."""
    if form in ("png", "jpeg", "webp", "gif", "bmp"):
        files = {f"a/1.{form}": content, "b/2.png": encoded(grey(2, 6, 6))}
        return write_files(folder, files)
    if form == "idx":
        labels = bytes([0, 0, 8, 1]) + struct.pack(">I", 4) + bytes([0, 1, 0, 1])
        files = {"t-images-idx3-ubyte.gz": content, "t-labels-idx1-ubyte": labels}
        return write_files(folder, files)
    return write_files(folder, {f"data.{form}": content}) / f"data.{form}"


@pytest.mark.parametrize(
    "form", ["png", "jpeg", "webp", "gif", "bmp", "zip", "csv", "parquet", "npz", "safetensors",
             "idx"],
)  # fmt: skip
def test_damage_is_a_sentence(
    whole: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, form: str
) -> None:
    folder = tmp_path_factory.mktemp(form)
    assert read(place(folder, form, whole[form]))[1].manifest.examples >= 2

    @settings(max_examples=examples(40), deadline=None)
    @given(at=st.integers(0, len(whole[form]) - 1), change=st.integers(0, 255))
    def damaged(at: int, change: int) -> None:
        content = bytearray(whole[form])
        content[at] ^= change
        try:
            read(place(folder, form, bytes(content if change else content[:at])))
        except InvalidData as error:
            assert str(error).strip() and len(str(error)) < 900

    damaged()
