"""A data set that somebody exported: its manifest and its arrays, held against each other."""

from pathlib import Path

from metaopt.data import arrays as files
from metaopt.data.limits import check_bytes
from metaopt.data.look import ARRAYS_FILE, MANIFEST_FILE
from metaopt.data.manifest import Manifest
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.whole import checked, parsed
from metaopt.errors import InvalidData


def read(path: Path, packing: Packing) -> Packed:
    """The data set in a folder; whatever `packing` says was said when it was packed.

    Raises:
        InvalidData: One of its files is damaged, or the other's.
    """
    manifest = manifest_of(path / MANIFEST_FILE)
    arrays = path / ARRAYS_FILE
    check_bytes(arrays.stat().st_size, "it was packed by somebody else's rules")
    return checked(Packed(manifest, files.read(arrays, manifest.arrays)))


def manifest_of(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        InvalidData: It is none.
    """
    try:
        return parsed(path.read_text("utf-8"), path)
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InvalidData(f"{path} is no manifest: {error}") from None
