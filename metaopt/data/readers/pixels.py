"""One image as pixels: 8 bit, grey or colour, on white, upright.

grey         what has no colour is grey, however it was stored; of colour, the ITU-R 601-2 luma
16 bit       v ↦ round(v / 257)
transparent  laid on white
turned       as the camera says (EXIF)
moving       the first picture
size         each pixel the mean over the area that it covers (Pillow's box filter, whole
             numbers, the same bits on every machine); height and width are not kept in ratio
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from metaopt.data.files import File, told
from metaopt.data.limits import MOST_PIXELS
from metaopt.errors import InvalidData
from metaopt.messages import shown

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
NOT_READ = (".tif", ".tiff", ".heic", ".heif", ".avif", ".svg", ".ppm", ".pgm", ".pbm", ".jp2",
            ".psd", ".ico", ".tga", ".dng", ".jxl")  # fmt: skip
"""Suffixes of images that are not read: left out silently they would be missed."""


@contextmanager
def decoder() -> Iterator[None]:
    """Have Pillow at hand, and what it warns of refused.

    Raises:
        InvalidData: It is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise InvalidData(
            "reading images needs Pillow, which is not here: pip install 'metaopt[server]'"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


def pixels(
    file: File, size: tuple[int, int] | None, *, grey: bool, crop: bool = False
) -> NDArray[Any]:
    """The pixels of a file: uint8, (height, width), or (height, width, 3) if it has colour.

    Args:
        size: Height and width that it is brought to; None keeps its own.
        grey: Whether colour is taken out.
        crop: Whether the middle of that form is taken, instead of stretching the whole.

    Raises:
        InvalidData: It is no readable image, or too large.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    content = file.read()
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise InvalidData(_too_large(file))
            flat = _flat(image)
            if grey:
                flat = flat.convert("L")
            if size is not None and (flat.height, flat.width) != size:
                flat = _resized(flat, size, crop=crop)
            array = np.asarray(flat)
    except InvalidData:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InvalidData(_too_large(file)) from None
    except Exception as error:  # a decoder of damaged bytes raises anything
        what = "" if isinstance(error, UnidentifiedImageError) else f": {told(error)}"
        raise InvalidData(
            f"{shown(file.name)} is no readable image{what}; replace or remove it"
        ) from None
    if array.ndim == 3 and (array == array[..., :1]).all():
        return array[..., 0]
    return array


def _resized(flat: "Image", size: tuple[int, int], *, crop: bool) -> "Image":
    from PIL import Image, ImageOps

    sides = size[1], size[0]
    if crop:
        return ImageOps.fit(flat, sides, Image.Resampling.BOX)
    return flat.resize(sides, Image.Resampling.BOX)


def _flat(image: "Image") -> "Image":
    """The image in mode L or RGB."""
    import numpy as np
    from PIL import Image, ImageOps

    if image.mode == "I" or image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 65535:
            raise ValueError("it has more than 16 bits a pixel")
        return ImageOps.exif_transpose(Image.fromarray(((deep + 128) // 257).astype(np.uint8)))
    if image.mode == "F":
        raise ValueError("its pixels are no whole numbers")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        seen = upright.convert("RGBA")
        white = Image.new("RGBA", seen.size, "white")
        return Image.alpha_composite(white, seen).convert("RGB")
    return upright.convert("L" if upright.mode in ("1", "L") else "RGB")


def _too_large(file: File) -> str:
    return f"{shown(file.name)} has more than {MOST_PIXELS:,} pixels: make it smaller"
