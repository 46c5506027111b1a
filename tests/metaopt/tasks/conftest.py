"""A small copy of the official archives, written from the packaged drawings."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metaopt.tasks.omniglot.file import Drawings, unpack
from metaopt.tasks.omniglot.tasks import read_drawings


@pytest.fixture(scope="session")
def drawings() -> Drawings:
    """Return the packaged drawings."""
    return read_drawings()


@pytest.fixture(scope="session")
def few(drawings: Drawings) -> Drawings:
    """Return three background and two evaluation characters."""
    chosen = [0, 20, 500, 964, 1622]
    characters = tuple(drawings.characters[i] for i in chosen)
    return Drawings(characters, drawings.drawers, drawings.bits[chosen])


def pngs(drawings: Drawings) -> dict[str, bytes]:
    """Return PNG files by their official paths: black ink on white, 1 bit."""
    files = {}
    for character, bits in zip(drawings.characters, drawings.bits, strict=True):
        for drawer, ink in zip(drawings.drawers, unpack(bits), strict=True):
            buffer = io.BytesIO()
            Image.fromarray(~np.ascontiguousarray(ink)).save(buffer, "png")
            files[f"{character}_{drawer}.png"] = buffer.getvalue()
    return files


@pytest.fixture
def folders(tmp_path: Path, few: Drawings) -> Path:
    """Return a directory with the two unpacked folders."""
    for name, png in pngs(few).items():
        file = tmp_path / "folders" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png)
    return tmp_path / "folders"


@pytest.fixture
def zips(tmp_path: Path, few: Drawings) -> Path:
    """Return a directory with the two zips, their entries in no particular order."""
    directory = tmp_path / "zips"
    directory.mkdir()
    for part in ("images_background", "images_evaluation"):
        with zipfile.ZipFile(directory / f"{part}.zip", "w") as archive:
            for name, png in reversed(pngs(few).items()):
                if name.startswith(part):
                    archive.writestr(name, png)
    return directory
