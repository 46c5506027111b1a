"""From a path to a packed data set: look, read, pack; nothing is stored."""

from collections.abc import Callable
from pathlib import Path

from metaopt.data.look import Form, Look, look
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.readers import episodes, exported, idx, images, tables, texts
from metaopt.data.unchanged import unchanged

Reader = Callable[[Path, Packing], Packed]

_READERS: dict[tuple[str | None, Form], Reader] = {
    ("images", "folder"): images.read_folder,
    ("images", "zip"): images.read_zip,
    ("images", "idx"): idx.read,
    ("table", "csv"): tables.read_csv,
    ("table", "parquet"): tables.read_parquet,
    ("text", "csv"): texts.read_csv,
    ("text", "parquet"): texts.read_parquet,
    ("episodes", "npz"): episodes.read_npz_file,
    ("episodes", "safetensors"): episodes.read_safetensors_file,
    (None, "exported"): exported.read,
}


def read(path: str | Path, packing: Packing | None = None) -> tuple[Look, Packed]:
    """What a path was taken for, and the data set in it.

    Args:
        path: A file or a folder.
        packing: What is known of it; nothing by default.

    Raises:
        InvalidData: It cannot be packed; the message names the place, the rule and the way out.

    Example:
        >>> look, packed = read("kana.zip", Packing(invert=True))  # doctest: +SKIP
        >>> packed.manifest.input_shape  # doctest: +SKIP
        (1, 28, 28)
    """
    path, packing = Path(path), packing or Packing()
    with unchanged(path):
        seen = look(path, packing)
        return seen, _READERS[(seen.kind, seen.form)](path, packing)
