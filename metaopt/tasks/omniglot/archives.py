"""Reading Omniglot as its authors publish it: two zip archives, or the folders in them.

    images_background/<Alphabet>/characterNN/XXXX_YY.png      964 characters, 30 alphabets
    images_evaluation/<Alphabet>/characterNN/XXXX_YY.png      659 characters, 20 alphabets

XXXX numbers the characters over the whole set, YY the 20 people who drew them.  Images are
105 × 105 with black ink on white.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from metaopt.errors import InvalidTasks
from metaopt.tasks.omniglot.file import SIDE, Drawings, pack

PARTS = ("images_background", "images_evaluation")

_DRAWING = re.compile(
    r"(?:.*/)?(images_(?:background|evaluation)/[^/]+/character\d+/\d+)_(\d+)\.png"
)


def find_archives(directory: Path) -> list[Path]:
    """The two folders or zips in `directory`, background first.

    Raises:
        InvalidTasks: one of them is neither there as a folder nor as a zip.
    """
    archives = []
    for part in PARTS:
        candidates = [directory / part, directory / f"{part}.zip"]
        here = [path for path in candidates if path.exists()]
        if not here:
            raise InvalidTasks(
                f"{directory} must hold {part}.zip or the folder {part}, and holds neither"
            )
        archives.append(here[0])
    return archives


def read_archives(paths: list[Path]) -> Drawings:
    """The drawings in official zips or unpacked folders, sorted by their names.

    Raises:
        InvalidTasks: unreadable, an image of another size, or drawings missing.
    """
    images: dict[str, dict[str, NDArray[np.uint8]]] = {}
    for path in paths:
        for character, drawer, png in png_drawings(path):
            ink = _ink(png, f"{character}_{drawer}.png in {path}")
            images.setdefault(character, {})[drawer] = pack(ink)
    if not images:
        raise InvalidTasks(f"no drawings in {', '.join(map(str, paths))}")
    characters = tuple(sorted(images))
    drawers = tuple(sorted(images[characters[0]]))
    for character in characters:
        if tuple(sorted(images[character])) != drawers:
            raise InvalidTasks(
                f"every character must have the same drawings, {characters[0]} has "
                f"{len(drawers)} and {character} {len(images[character])} or others"
            )
    bits = np.stack([np.stack([images[c][d] for d in drawers]) for c in characters])
    return Drawings(characters, drawers, bits)


def png_drawings(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Yield (character, drawer, PNG bytes) for every drawing of a zip or unpacked folder.

    A character is named by its path, "images_background/<Alphabet>/character01/0709".

    Raises:
        InvalidTasks: `path` is no readable zip.
    """
    if path.is_dir():
        for file in path.rglob("*.png"):
            match = _DRAWING.fullmatch(f"{path.name}/{file.relative_to(path).as_posix()}")
            if match:
                yield match[1], match[2], file.read_bytes()
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                match = _DRAWING.fullmatch(name)
                if match:
                    yield match[1], match[2], archive.read(name)
    except (OSError, zipfile.BadZipFile) as error:
        raise InvalidTasks(f"{path} cannot be read as a zip: {error}") from error


def _ink(png: bytes, name: str) -> NDArray[np.bool_]:
    from PIL import Image, UnidentifiedImageError  # not needed for the packaged file

    try:
        with Image.open(io.BytesIO(png)) as image:
            paper = np.asarray(image if image.mode == "1" else image.convert("L"))
    except (UnidentifiedImageError, OSError) as error:
        raise InvalidTasks(f"{name} is no readable image: {error}") from error
    if paper.shape != (SIDE, SIDE):
        raise InvalidTasks(f"{name} must be {SIDE} x {SIDE} pixels, is {paper.shape}")
    return ~paper if paper.dtype == np.bool_ else paper < 128
