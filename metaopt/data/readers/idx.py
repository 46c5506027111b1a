"""MNIST's format: a file of images and one of labels beside it, also gzipped.

    NAME-images-idx3-ubyte[.gz]   00 00 08 03, N, H, W (big-endian, 4 bytes each), N·H·W bytes
    NAME-labels-idx1-ubyte[.gz]   00 00 08 01, N, N bytes

In a folder with several pairs, NAME says the split: train, or test (t10k).
"""

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from metaopt.data.files import told, unreadable
from metaopt.data.groups import Key, Meaning, grouped
from metaopt.data.limits import check_bytes
from metaopt.data.look import idx_images
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.readers.images import image_packing
from metaopt.data.unchanged import unchanged
from metaopt.errors import InvalidData

_SPLITS = {"train": "train", "t10k": "test", "test": "test", "valid": "validation",
           "val": "validation"}  # fmt: skip


def read(path: Path, packing: Packing) -> Packed:
    """Pack a pair of files, or all pairs of a folder.

    Raises:
        InvalidData: Labels are missing, a file is damaged, or two pairs have other sizes.
    """
    import numpy as np

    packing.only("IDX files", "invert")
    files = idx_images(path) if path.is_dir() else [path]
    parts = []
    for file in files:
        labels = labels_of(file)
        with unchanged(labels):
            parts.append((array_of(file, 3), array_of(labels, 1), _split(file, files)))
    first = parts[0][0].shape[1:]
    keys: dict[Key, int] = {}
    of = []
    for file, (images, classes, split) in zip(files, parts, strict=True):
        if len(images) != len(classes):
            raise InvalidData(f"{file} has {len(images):,} images and {len(classes):,} labels")
        if images.shape[1:] != first:
            raise InvalidData(
                f"{file} has images of {images.shape[1:]} pixels and {files[0]} of {first}: add "
                "them one by one"
            )
        of += [keys.setdefault(Key(str(label), split), len(keys)) for label in classes.tolist()]
    x = np.concatenate([images for images, *_ in parts])[:, None]
    if packing.invert:
        x = 255 - x
    meaning = Meaning("images", "class", image_packing(x, packing), packing.licence)
    return grouped(meaning, x, np.array(of, np.int64), list(keys), named=lambda row: f"image {row}")


def _split(file: Path, files: list[Path]) -> str | None:
    """The split that a name says, where there are several."""
    if len(files) == 1:
        return None
    for word, split in _SPLITS.items():
        if word in file.name.lower():
            return split
    raise InvalidData(
        f"{file.parent} holds several files of images, and the name of {file.name} says no split: "
        "name one of them instead of the folder"
    )


def labels_of(images: Path) -> Path:
    """The file of labels beside a file of images.

    Raises:
        InvalidData: There is none.
    """
    name = images.name.replace("images", "labels").replace("idx3", "idx1")
    plain = name.removesuffix(".gz")
    for candidate in (name, plain, f"{plain}.gz"):
        if candidate != images.name and (images.parent / candidate).is_file():
            return images.parent / candidate
    raise InvalidData(f"{images} needs its labels beside it, in {name}")


def array_of(path: Path, axes: int) -> NDArray[Any]:
    """The bytes of a file as an array; read no further than its head says.

    Raises:
        InvalidData: It is none of so many axes, or damaged.
    """
    import numpy as np

    opened: Callable[..., Any] = open
    try:
        with open(path, "rb") as file:
            if file.read(2) == b"\x1f\x8b":
                opened = gzip.open
        with opened(path, "rb") as file:
            head = file.read(4 + 4 * axes)
            if head[:4] != bytes([0, 0, 8, axes]) or len(head) < 4 + 4 * axes:
                raise InvalidData(f"{path} is no IDX file of bytes with {axes} axes")
            shape = tuple(int(side) for side in np.frombuffer(head[4:], ">u4"))
            size = int(np.prod(shape, dtype=object))
            check_bytes(size, "take fewer images")
            content = file.read(size + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InvalidData(f"{path} is damaged: {told(error)}; get it again") from None
    except OSError as error:
        raise unreadable(path, error) from None
    if len(content) != size or size == 0:
        less = "none" if size == 0 else "fewer" if len(content) < size else "more"
        raise InvalidData(f"{path} must have {size:,} bytes after its head, has {less}")
    return np.frombuffer(content, np.uint8).reshape(shape)
