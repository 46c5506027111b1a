"""Vectors as blobs: the width of a value in bytes (4 or 8), then the values, little endian.

    04  0000803f  0000003f       [1.0, 0.5]

Scores by task come from float32 tensors, so four bytes hold nearly all of them exactly; a vector
with one that they do not hold has eight for each.  What is read is what was written, bit for bit
(a NaN is a NaN).  The view `mo_scores` reads such a blob in SQL; in Python it is
`numpy.frombuffer(blob[1:], f"<f{blob[0]}")`.
"""

import struct
from collections.abc import Sequence

from sqlalchemy import Dialect, LargeBinary, TypeDecorator

_CODES = {4: "f", 8: "d"}


def pack(values: Sequence[float]) -> bytes:
    """The blob of these values."""
    try:
        narrow = struct.pack(f"<{len(values)}f", *values)
    except OverflowError:  # beyond what float32 can say
        return _wide(values)
    return b"\x04" + narrow if _unpacked(4, narrow) == list(values) else _wide(values)


def unpack(blob: bytes) -> list[float]:
    """The values of a blob."""
    return _unpacked(blob[0], blob[1:])


def _wide(values: Sequence[float]) -> bytes:
    return b"\x08" + struct.pack(f"<{len(values)}d", *values)


def _unpacked(width: int, data: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(data) // width}{_CODES[width]}", data))


class Vector(TypeDecorator[list[float]]):
    """A column of vectors."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: list[float] | None, dialect: Dialect) -> bytes | None:
        """As a blob."""
        return None if value is None else pack(value)

    def process_result_value(self, value: bytes | None, dialect: Dialect) -> list[float] | None:
        """As a list."""
        return None if value is None else unpack(value)
