"""Arrays by name out of .npz and safetensors files; nothing in them is run, or unpacked unseen.

An .npz is a zip of .npy files: of each the head is read first, and its array must have as many
bytes as the zip says, so that a small file cannot ask for much memory.  Objects (pickles) are
refused.
"""

import zipfile
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import IO, Any

from numpy.typing import NDArray

from metaopt.data.files import BAD_ZIP, told, unreadable
from metaopt.data.limits import check_bytes
from metaopt.errors import InvalidData
from metaopt.messages import shown

Arrays = Mapping[str, NDArray[Any]]
_SMALLER = "take fewer tasks"


def read_npz(path: Path, wanted: tuple[str, ...]) -> Arrays:
    """The arrays of an .npz file that are wanted and there.

    Raises:
        InvalidData: It is damaged, too large, or holds objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            infos = [
                info for info in archive.infolist() if info.filename.removesuffix(".npy") in wanted
            ]
            check_bytes(sum(info.file_size for info in infos), _SMALLER)
            return {info.filename.removesuffix(".npy"): _array(archive, info) for info in infos}
    except InvalidData:
        raise
    except BAD_ZIP as error:
        raise InvalidData(f"{path} cannot be read as .npz: {told(error)}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    import numpy as np

    with archive.open(info) as file:
        shape, dtype, head = _head(file, info.filename)
        if dtype.hasobject:
            raise InvalidData(
                f"{shown(info.filename)} holds Python objects, which are not read: save numbers"
            )
        if prod(shape) * dtype.itemsize != info.file_size - head:
            raise InvalidData(
                f"{shown(info.filename)} is damaged: its head tells of another size: save it anew"
            )
    with archive.open(info) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


def _head(file: IO[bytes], name: str) -> tuple[tuple[int, ...], Any, int]:
    """Shape, type, and the bytes before the data."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(file)
    else:
        raise InvalidData(f"{shown(name)} is of .npy version {version}, 1.0 and 2.0 are read")
    return shape, dtype, file.tell()


def read_safetensors(path: Path, wanted: tuple[str, ...]) -> Arrays:
    """The arrays of a safetensors file that are wanted and there.

    Raises:
        InvalidData: It is damaged, too large, or of types that numpy has not.
    """
    from safetensors import SafetensorError, safe_open

    try:
        check_bytes(path.stat().st_size, _SMALLER)
        with safe_open(str(path), framework="np") as file:
            return {name: file.get_tensor(name) for name in file.keys() if name in wanted}  # noqa: SIM118
    except (SafetensorError, TypeError, AttributeError, KeyError) as error:
        raise InvalidData(f"{path} cannot be read as safetensors: {told(error)}") from None
    except OSError as error:
        raise unreadable(path, error) from None
