"""Whether a file holds the arrays that a manifest tells of, told without having it in memory.

A file that was written here begins with bytes that follow from the manifest, and then has so many
numbers; so another head is not even parsed, and shapes, types and offsets are right or the file is
another one.  Of floats each must be finite, as it is when data are packed.
"""

import os
from math import prod
from pathlib import Path
from typing import BinaryIO

from metaopt.data.arrays import DTYPES, PIECE_BYTES, Layout, head
from metaopt.data.incoming.rules import bytes_of, layouts
from metaopt.data.manifest import Manifest
from metaopt.errors import InvalidData


def check_arrays(path: Path, manifest: Manifest) -> None:
    """Refuse a file that is not the arrays of this data set.

    Args:
        path: Of a file whose SHA-256 is known to be the one that the manifest names.

    Raises:
        InvalidData: It has other arrays, or numbers that are not finite.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        layout = _layout(file, manifest)
        if layout is None:
            wanted = " or ".join(_in_words(one) for one in layouts(manifest))
            raise InvalidData(
                f"the arrays are not those that the manifest tells of, {wanted}, one after the "
                "other behind the head that metaopt writes (docs/own-data.md)"
            )
        for name in sorted(layout):
            _check_finite(file, name, *layout[name])


def _layout(file: BinaryIO, manifest: Manifest) -> Layout | None:
    """The one of the manifest's layouts that the file has; it is read up to the data then."""
    size = os.fstat(file.fileno()).st_size
    for layout in layouts(manifest):
        begin = head(layout)
        file.seek(0)
        if size == len(begin) + bytes_of(layout) and file.read(len(begin)) == begin:
            return layout
    return None


def _check_finite(file: BinaryIO, name: str, dtype: str, shape: tuple[int, ...]) -> None:
    import numpy as np

    each = prod(shape[1:])
    if dtype == "U8":
        file.seek(prod(shape), os.SEEK_CUR)
        return
    most = PIECE_BYTES // np.dtype(DTYPES[dtype]).itemsize
    for begin in range(0, prod(shape), most):
        piece = np.fromfile(file, DTYPES[dtype], min(most, prod(shape) - begin))
        finite = np.isfinite(piece)
        if not finite.all():
            place = int(np.argmin(finite))
            raise InvalidData(
                f"array {name} has {piece[place]} in its example {(begin + place) // each}: "
                "numbers must be finite"
            )


def _in_words(layout: Layout) -> str:
    return ", ".join(f"{name} {dtype} {list(shape)}" for name, (dtype, shape) in layout.items())
