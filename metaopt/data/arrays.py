"""The file of a data set's arrays: safetensors, written so that equal arrays are equal bytes.

    8 bytes    length of the header, little-endian
    header     JSON: {"x": {"dtype": "U8", "shape": […], "data_offsets": [0, …]}, "y": …}, spaces
    data       x, then y: C order, little-endian

The format lets a writer choose the order of names and the spaces of the header, and libraries have
changed theirs; so that a digest stays one, it is written here.  Any reader of the format reads it.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from numpy.typing import NDArray

from metaopt.errors import InvalidData

DTYPES = {"U8": "|u1", "F32": "<f4"}
PIECE_BYTES = 2**24

Layout = Mapping[str, tuple[str, tuple[int, ...]]]
"""Type, as the format names it, and shape of each array."""

_ALIGNED = 8


def pieces(arrays: Mapping[str, NDArray[Any]]) -> Iterator[bytes | memoryview]:
    """The bytes of the file, piece by piece; arrays are not copied.

    Args:
        arrays: `x`, and `y` or not; uint8 or float32.
    """
    import numpy as np

    names = {dtype: name for name, dtype in DTYPES.items()}
    layout = {
        name: (names[array.dtype.newbyteorder("<").str], array.shape)
        for name, array in arrays.items()
    }
    yield head(layout)
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], DTYPES[layout[name][0]])
        flat = array.reshape(-1).view(np.uint8).data
        for begin in range(0, len(flat), PIECE_BYTES):
            yield flat[begin : begin + PIECE_BYTES]


def head(layout: Layout) -> bytes:
    """The bytes of the file before its data: they follow from types and shapes alone."""
    header: dict[str, Any] = {}
    end = 0
    for name in sorted(layout):
        dtype, shape = layout[name]
        begin, end = end, end + int(DTYPES[dtype][-1]) * prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return len(text).to_bytes(8, "little") + text


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 of the file of these arrays, in hex."""
    hashed = hashlib.sha256()
    for piece in pieces(arrays):
        hashed.update(piece)
    return hashed.hexdigest()


def is_whole(path: Path, expected: str) -> bool:
    """Whether a file is there and has the SHA-256 that it must have."""
    try:
        with path.open("rb") as file:
            return _digest_of(file) == expected
    except OSError:
        return False


def read(path: Path, expected: str) -> dict[str, NDArray[Any]]:
    """The arrays of a file.

    Args:
        expected: SHA-256 that the file must have.

    Raises:
        InvalidData: It is not there, or has another.
    """
    try:
        with path.open("rb") as file:
            found = _digest_of(file)
            if found != expected:
                raise InvalidData(
                    f"{path} is damaged: its SHA-256 is {found[:12]}…, not {expected[:12]}…; "
                    "add the data again"
                )
            file.seek(0)
            return _arrays(file)
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror or error}") from None


def _digest_of(file: BinaryIO) -> str:
    hashed = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        hashed.update(piece)
    return hashed.hexdigest()


def _arrays(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """Read a file whose digest was right, so which we, or somebody by our rules, have written.

    Raises:
        InvalidData: By other rules.
    """
    import numpy as np

    try:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        arrays = {}
        for name in sorted(header):
            shape, dtype = tuple(header[name]["shape"]), np.dtype(DTYPES[header[name]["dtype"]])
            content = np.fromfile(file, dtype, prod(shape))
            arrays[name] = content.reshape(shape)
        return arrays
    except (ValueError, TypeError, LookupError, MemoryError, OverflowError) as error:
        raise InvalidData(f"these are no arrays of a data set: {error}") from None
