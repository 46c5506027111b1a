"""A data set that somebody exported: its manifest and its arrays, held against each other."""

import json
from pathlib import Path

from metaopt.data import arrays as files
from metaopt.data.incoming.arrays_file import check_arrays
from metaopt.data.incoming.plain_manifest import read_manifest
from metaopt.data.incoming.rules import check_packed
from metaopt.data.limits import check_bytes
from metaopt.data.look import ARRAYS_FILE, MANIFEST_FILE
from metaopt.data.manifest import Manifest
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.errors import InvalidData, InvalidManifest


def read(path: Path, packing: Packing) -> Packed:
    """The data set in a folder; whatever `packing` says was said when it was packed.

    Raises:
        InvalidData: One of its files is damaged, or the other's, or breaks rules of packing.
    """
    manifest = manifest_of(path / MANIFEST_FILE)
    arrays = path / ARRAYS_FILE
    check_bytes(arrays.stat().st_size, "it was packed by somebody else's rules")
    packed = Packed(manifest, files.read(arrays, manifest.arrays))
    check_arrays(arrays, manifest)
    return check_packed(packed)


def manifest_of(path: Path) -> Manifest:
    """The manifest in a file.

    Raises:
        InvalidData: It is none, or breaks rules of packing.
    """
    try:
        data = json.loads(path.read_bytes().decode("utf-8"))
    except OSError as error:
        raise InvalidData(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{path} is no manifest of a data set: {error}") from None
    try:
        return read_manifest(data)
    except InvalidManifest as error:
        raise InvalidData(f"{path} is {error}") from None
