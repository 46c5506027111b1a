"""Pictures to adapt to or to predict: a folder a class, a zip, IDX files, or without classes.

    cat/1.png  dog/1.png     classes cat, dog
    1.png  2.png             no classes; also a single file

They become what the model was trained on: its size, its channels, inverted if that was.
"""

import gzip
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from metaopt.data.files import File, Listing, in_folder, in_zip, unreadable
from metaopt.data.look import IDX_IMAGES, idx_images
from metaopt.data.packing import Packing
from metaopt.data.raw.given import Given
from metaopt.data.raw.preparation import BYTE, Preparation
from metaopt.data.readers.idx import array_of, labels_of
from metaopt.data.readers.images import classes, decoded, folder_of, image_files
from metaopt.data.readers.pixels import SUFFIXES
from metaopt.errors import InvalidData


def are_pictures(path: Path) -> bool:
    """Whether a path is a folder, a zip, an image, or a file of IDX images."""
    if path.is_dir() or path.suffix.lower() in (*SUFFIXES, ".zip"):
        return True
    try:
        with path.open("rb") as file:
            head = file.read(4)
        if head[:2] == b"\x1f\x8b":
            with gzip.open(path) as file:
                head = file.read(4)
    except (OSError, EOFError):
        return False  # whoever reads it says what is wrong
    return head == IDX_IMAGES


def read_pictures(path: Path, preparation: Preparation) -> Given:
    """The pictures at a path, as the model's data were packed.

    Args:
        preparation: Of images.

    Raises:
        InvalidData: One cannot be read, or folders do not say classes.
    """
    packing = _packing(preparation)
    if path.is_dir() and not idx_images(path):
        given = _listed(in_folder(path), path, packing)
    elif path.suffix.lower() == ".zip":
        with in_zip(path) as listing:
            given = _listed(listing, path, packing)
    elif path.suffix.lower() in SUFFIXES:
        given = _listed(Listing([_file(path)], []), path, packing)
    else:
        given = _idx(path, packing)
    values = given.x if preparation.white == BYTE else given.x * (preparation.white / BYTE)
    return given._replace(x=values)


def _packing(preparation: Preparation) -> Packing:
    packing: Any = preparation.packing
    size = packing.get("size")
    return Packing(
        size=None if size is None else (int(size[0]), int(size[1])),
        channels=1 if len(preparation.inputs.mean) == 1 else 3,
        invert=bool(packing.get("invert")),
    )


def _listed(listing: Listing, where: Path, packing: Packing) -> Given:
    files = image_files(listing, where)
    folders = sorted({folder_of(file) for file in files})
    labels = None
    if folders != [""]:
        keys = classes(folders, where)
        labels = [keys[folder_of(file)].name for file in files]
    return Given(decoded(files, packing), labels, names=_short([file.name for file in files]))


def _short(names: Sequence[str]) -> tuple[str, ...]:
    """Names without the folders that all of them lie in."""
    parts = [PurePosixPath(name).parts for name in names]
    depth = 0
    while all(len(part) > depth + 1 and part[depth] == parts[0][depth] for part in parts):
        depth += 1
    return tuple("/".join(part[depth:]) for part in parts)


def _file(path: Path) -> File:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise unreadable(path, error) from None
    return File(path.name, len(content), lambda: content)


def _idx(path: Path, packing: Packing) -> Given:
    """Images of a file, or of the only one in a folder, with the labels that lie beside it."""
    if path.is_dir():
        path, *others = idx_images(path)
        if others:
            raise InvalidData(f"{path.parent} holds several files of images: name one, as {path}")
    images = array_of(path, 3)
    if packing.size is not None and images.shape[1:] != packing.size:
        height, width = packing.size
        raise InvalidData(
            f"{path} has images of {images.shape[1]} x {images.shape[2]} pixels, the model takes "
            f"{height} x {width}: write them as files of images, which are brought to that"
        )
    try:
        labels = [str(label) for label in array_of(labels_of(path), 1).tolist()]
    except InvalidData:
        labels = None
    x = images[:, None].repeat(packing.channels or 1, 1)
    names = tuple(f"image {row}" for row in range(len(x)))
    if labels is not None and len(labels) != len(x):
        raise InvalidData(f"{path} has {len(x):,} images and {len(labels):,} labels")
    return Given(255 - x if packing.invert else x, labels, names=names)
