"""A folder a class, as a folder or a zip.

    cat/1.png  dog/1.png                     classes cat, dog
    train/cat/1.png  val/dog/1.png           the same, and a class is of a split
    Greek/alpha/1.png  Latin/a/1.png         classes Greek/alpha, Latin/a
    pets/cat/1.png  pets/dog/1.png           what all have in common is no part of a name

Other files are left alone, but for images of a format that is not read.
"""

from collections.abc import Sequence
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from numpy.typing import NDArray

from metaopt.data.files import File, Listing, in_folder, in_zip
from metaopt.data.groups import SPLIT_WORDS, Key, Meaning, grouped, listed, rank
from metaopt.data.limits import check_bytes
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.readers.pixels import NOT_READ, SUFFIXES, decoder, pixels
from metaopt.errors import InvalidData
from metaopt.messages import shown

SMALLER = "a smaller size, or channels 1, makes them smaller"


def read_folder(path: Path, packing: Packing) -> Packed:
    """Pack the images of a folder.

    Raises:
        InvalidData: As `packed`, or a file cannot be read.
    """
    return packed(in_folder(path), path, packing)


def read_zip(path: Path, packing: Packing) -> Packed:
    """Pack the images of a zip.

    Raises:
        InvalidData: As `packed`, or the zip is none.
    """
    with in_zip(path) as listing:
        return packed(listing, path, packing)


def packed(listing: Listing, where: Path, packing: Packing) -> Packed:
    """Pack images.

    Raises:
        InvalidData: They are not in folders of classes, one cannot be read, or their sizes differ
            and none is given.
    """
    import numpy as np

    packing.only("images", "size", "crop", "channels", "invert")
    files = image_files(listing, where)
    keys = classes(sorted({folder_of(file) for file in files}), where)
    _check_empty(listing.folders, keys, where)
    files.sort(key=lambda file: (rank(keys[folder_of(file)]), file.name))  # a copy less later
    places = {folder: place for place, folder in enumerate(keys)}
    of = np.array([places[folder_of(file)] for file in files])
    x = decoded(files, packing)
    meaning = Meaning("images", "class", image_packing(x, packing), packing.licence)
    named = [_name(file, keys[folder_of(file)]) for file in files]
    return grouped(meaning, x, of, list(keys.values()), named=lambda row: named[row])


def image_packing(x: NDArray[Any], packing: Packing) -> dict[str, Any]:
    """What a manifest says of how images (N, C, H, W) were packed."""
    cut = {"crop": True} if packing.crop else {}
    return {"size": list(x.shape[2:]), "channels": x.shape[1], "invert": packing.invert, **cut}


def classes(folders: Sequence[str], where: Path) -> dict[str, Key]:
    """Class and split of each folder that holds images.

    Args:
        folders: Their paths, sorted.

    Raises:
        InvalidData: They do not lie side by side, or two are the same class of the same split.
    """
    parts = {folder: PurePosixPath(folder).parts for folder in folders}
    _check_depth(parts, where)
    depth, has_splits = 0, False
    while all(len(part) > depth + 1 for part in parts.values()):
        tops = {part[depth] for part in parts.values()}
        has_splits = all(top.lower() in SPLIT_WORDS for top in tops)
        if not has_splits and len(tops) > 1:
            break
        depth += 1
        if has_splits:
            break
    keys: dict[str, Key] = {}
    for folder, part in parts.items():
        split = SPLIT_WORDS[part[depth - 1].lower()] if has_splits else None
        keys[folder] = Key("/".join(part[depth:]), split)
    for folder, key in keys.items():
        first = next(other for other, one in keys.items() if one == key)
        if first != folder:
            raise InvalidData(
                f"{shown(first)} and {shown(folder)} in {where} are the same class of the same "
                "split: put their images into one folder"
            )
    return keys


def _check_depth(parts: dict[str, tuple[str, ...]], where: Path) -> None:
    """Refuse images beside classes, and classes in classes.

    Raises:
        InvalidData: A folder with images lies higher than another.
    """
    least = min(parts, key=lambda folder: len(parts[folder]))
    most = max(parts, key=lambda folder: len(parts[folder]))
    if not parts[least]:
        raise InvalidData(f"{where} holds images itself: put those of each class into a folder")
    if len(parts[least]) < len(parts[most]):
        raise InvalidData(
            f"a class is a folder that holds images, and in {where} {shown(least)} and "
            f"{shown(most)} do, which are not equally deep: put all images class/image, or "
            "train|validation|test/class/image"
        )


def image_files(listing: Listing, where: Path) -> list[File]:
    """The images among files.

    Raises:
        InvalidData: There are none, or some of a format that is not read.
    """
    files = [file for file in listing.files if _suffix(file) in SUFFIXES]
    other = [file.name for file in listing.files if _suffix(file) in NOT_READ]
    read = ", ".join(suffix[1:] for suffix in SUFFIXES)
    if other:
        raise InvalidData(
            f"{where} holds images of a format that is not read ({read} are): {listed(other)}; "
            "convert or remove them"
        )
    if not files:
        raise InvalidData(f"{where} holds no images ({read}) and nothing else that is read")
    return files


def _check_empty(folders: Sequence[str], full: dict[str, Key], where: Path) -> None:
    """Refuse a class without images.

    Raises:
        InvalidData: There is a folder with no image in or below it.
    """
    held = {str(above) for folder in full for above in PurePosixPath(folder).parents} | set(full)
    empty = [folder for folder in folders if folder not in held]
    if empty:
        raise InvalidData(
            f"a class needs images, and in {where} these folders hold none: {listed(empty)}; "
            "fill or remove them"
        )


def decoded(files: Sequence[File], packing: Packing) -> NDArray[Any]:
    """The pixels (N, C, H, W) uint8; C is 3 from the first image with colour on, if none is said.

    Raises:
        InvalidData: One cannot be read, or sizes differ and none is given.
    """
    import numpy as np

    x: NDArray[Any] = np.empty((0,), np.uint8)
    with decoder():
        for row, file in enumerate(files):
            image = pixels(file, packing.size, grey=packing.channels == 1, crop=packing.crop)
            size = image.shape[:2]
            if row == 0:
                x = _empty(len(files), packing.channels or 1, size)
            elif size != x.shape[2:]:
                raise InvalidData(_sizes_differ(files[0], x.shape[2:], file, size))
            if image.ndim == 3 and x.shape[1] == 1:
                grey, x = x, _empty(len(files), 3, size)
                x[:row] = grey[:row]
            x[row] = image.transpose(2, 0, 1) if image.ndim == 3 else image
    return np.subtract(255, x, out=x) if packing.invert else x


def _empty(number: int, channels: int, size: Sequence[int]) -> NDArray[Any]:
    import numpy as np

    check_bytes(number * channels * prod(size), SMALLER)
    return np.empty((number, channels, *size), np.uint8)


def _sizes_differ(one: File, its: Sequence[int], other: File, others: Sequence[int]) -> str:
    least = min(*its, *others)
    return (
        f"images must have one size, {shown(one.name)} is {its[0]} x {its[1]} and "
        f"{shown(other.name)} is {others[0]} x {others[1]}: give a size for all, as size {least}"
    )


def _name(file: File, key: Key) -> str:
    """What an image is called, wherever its folder or zip is and whatever that is called."""
    place = (key.split, key.name, PurePosixPath(file.name).name)
    return shown("/".join(part for part in place if part is not None))


def _suffix(file: File) -> str:
    return PurePosixPath(file.name).suffix.lower()


def folder_of(file: File) -> str:
    """The folder that a file lies in, "" at the top."""
    folder = str(PurePosixPath(file.name).parent)
    return "" if folder == "." else folder
