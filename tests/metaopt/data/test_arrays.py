"""The file of arrays: one file for the same arrays, which every reader of the format reads."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from safetensors.numpy import load

from metaopt.data import arrays as files
from metaopt.errors import InvalidData
from tests.properties import examples


@settings(max_examples=examples(40), deadline=None)
@given(
    x=arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=5))
    | arrays(np.float32, array_shapes(min_dims=1, max_dims=2, max_side=5)),
    y=st.none() | arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=3)),
)
def test_what_is_written_is_read_by_us_and_by_safetensors(
    tmp_path_factory: pytest.TempPathFactory, x: np.ndarray, y: np.ndarray | None
) -> None:  # type: ignore[type-arg]
    given_arrays = {"x": x} if y is None else {"y": y, "x": x}
    content = b"".join(files.pieces(given_arrays))
    path = tmp_path_factory.mktemp("arrays") / "a"
    path.write_bytes(content)
    for found in (load(content), files.read(path, files.digest(given_arrays))):
        assert found.keys() == given_arrays.keys()
        for name, array in given_arrays.items():
            assert found[name].dtype == array.dtype
            assert np.array_equal(found[name], array, equal_nan=array.dtype == np.float32)


def test_the_digest_is_this_one_on_every_machine_and_in_every_version() -> None:
    arrays = {"x": np.arange(6, dtype=np.uint8).reshape(2, 3), "y": np.array([[0.5], [2]], "f4")}
    header = (
        b'{"x":{"dtype":"U8","shape":[2,3],"data_offsets":[0,6]},'
        b'"y":{"dtype":"F32","shape":[2,1],"data_offsets":[6,14]}}'
    )
    header += b" " * (-len(header) % 8)
    written = len(header).to_bytes(8, "little") + header + bytes(range(6))
    written += bytes.fromhex("0000003f00000040")
    assert files.digest(arrays) == hashlib.sha256(written).hexdigest()
    backwards = {"y": arrays["y"].astype(">f4"), "x": np.asfortranarray(arrays["x"])}
    assert files.digest(backwards) == files.digest(arrays)


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content, words in (
        (b"x", "is damaged: its SHA-256 is"),
        (b"", "is damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(InvalidData, match=words):
            files.read(path, "0" * 64)
    for content in (b"12345678rest", b'\2\0\0\0\0\0\0\0{"', b'\x08\0\0\0\0\0\0\0{"x":[]}'):
        path.write_bytes(content)
        with pytest.raises(InvalidData, match="these are no arrays of a data set"):
            files.read(path, hashlib.sha256(content).hexdigest())
    with pytest.raises(InvalidData, match="cannot be read: No such file"):
        files.read(tmp_path / "none", "0" * 64)
