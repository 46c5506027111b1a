"""Pictures as people have them: files of images, folders a class."""

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def encoded(pixels: NDArray[np.uint8], form: str = "png") -> bytes:
    """The bytes of an image file; lossless but for JPEG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **({"lossless": True} if form == "webp" else {}))
    return file.getvalue()


def grey(seed: int, height: int = 4, width: int = 3) -> NDArray[np.uint8]:
    """A grey image like no other."""
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


def colour(seed: int, height: int = 4, width: int = 3) -> NDArray[np.uint8]:
    """A colour image like no other."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def write_files(root: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder, which is returned."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    """Write files into a zip, whose path is returned."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def animals(classes: str = "cat dog", each: int = 3) -> dict[str, bytes]:
    """Files of grey images, a folder a class."""
    return {
        f"{name}/{number}.png": encoded(grey(100 * place + number))
        for place, name in enumerate(classes.split())
        for number in range(each)
    }
