"""Looking at a path: which form the data have, by what is in them and not by what they are called.

images     a folder, or a zip, of class folders; MNIST's IDX files, also gzipped
table      CSV, Parquet
text       the same, where a column has texts: said by `kind` or `text`
episodes   .npz, safetensors
(any)      a data set that was exported
"""

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

from metaopt.data.files import BAD_ZIP, unreadable
from metaopt.data.manifest import Kind
from metaopt.data.packing import Packing
from metaopt.errors import InvalidData

Form = Literal["folder", "zip", "idx", "csv", "parquet", "npz", "safetensors", "exported"]

MANIFEST_FILE, ARRAYS_FILE = "manifest.json", "arrays.safetensors"
"""Of a data set that was exported."""

TABLE_SUFFIXES = (".csv", ".tsv", ".tab", ".txt", ".data")
IDX_IMAGES = bytes([0, 0, 8, 3])
_READ = (
    "a folder or zip of images (a folder a class), MNIST's IDX files, a CSV or Parquet table, or "
    ".npz or safetensors with episodes"
)


class Look(NamedTuple):
    """What a path was taken for; `kind` is None where the data say it themselves."""

    kind: Kind | None
    form: Form


_OF: dict[Form, tuple[Kind, ...]] = {
    "folder": ("images",),
    "zip": ("images",),
    "idx": ("images",),
    "csv": ("table", "text"),
    "parquet": ("table", "text"),
    "npz": ("episodes",),
    "safetensors": ("episodes",),
}


def look(path: Path, packing: Packing) -> Look:
    """What is at a path.

    Args:
        packing: Its `kind` and `text` decide where the data could be several.

    Raises:
        InvalidData: Nothing that is read, or not of that kind.
    """
    form = _form(path, packing)
    if form == "exported":
        packing.only("a data set that was exported")
        return Look(None, form)
    kinds = _OF[form]
    wanted = packing.kind or ("text" if packing.text is not None and "text" in kinds else kinds[0])
    if wanted not in kinds:
        raise InvalidData(
            f"kind {wanted} was asked for, and {path} is {_IN_WORDS[form]}: that is read as "
            f"{' or '.join(kinds)}"
        )
    return Look(wanted, form)


def _form(path: Path, packing: Packing) -> Form:
    try:
        if path.is_dir():
            return _form_of_folder(path)
        with path.open("rb") as file:
            head = file.read(8)
    except OSError as error:
        raise unreadable(path, error) from None
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return "npz" if _holds_arrays(path) else "zip"
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(IDX_IMAGES) or (head.startswith(b"\x1f\x8b") and _unzipped(path)):
        return "idx"
    if path.suffix.lower() == ".safetensors":
        return "safetensors"
    if path.suffix.lower() in TABLE_SUFFIXES or packing.kind in ("table", "text"):
        return "csv"
    raise InvalidData(f"{path} is nothing that is read, which is {_READ}")


def _form_of_folder(path: Path) -> Form:
    if (path / MANIFEST_FILE).is_file() and (path / ARRAYS_FILE).is_file():
        return "exported"
    return "idx" if idx_images(path) else "folder"


def idx_images(folder: Path) -> list[Path]:
    """The files with images in a folder that holds IDX files, by their names."""
    return sorted(path for path in folder.glob("*images*idx3*") if path.is_file())


def _holds_arrays(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, *BAD_ZIP):
        return False  # whoever reads it says what is wrong
    return bool(names) and all(name.endswith(".npy") for name in names)


def _unzipped(path: Path) -> bool:
    try:
        with gzip.open(path) as file:
            return file.read(4) == IDX_IMAGES
    except (OSError, EOFError, zlib.error):
        return False


_IN_WORDS: dict[Form, str] = {
    "folder": "a folder",
    "zip": "a zip",
    "idx": "MNIST's IDX files",
    "csv": "a CSV file",
    "parquet": "a Parquet file",
    "npz": "an .npz file",
    "safetensors": "a safetensors file",
}
