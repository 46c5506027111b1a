import io

import numpy as np
import pytest
from PIL import Image

from metaopt.data.raw.png import pictures, png
from metaopt.data.raw.preparation import Moments, Preparation

RANDOM = np.random.default_rng(1)


def preparation(channels: int, *, invert: bool = False, white: float = 255.0) -> Preparation:
    moments = Moments((0.0,) * channels, (1.0,) * channels)
    return Preparation("images", moments, packing={"invert": invert}, white=white)


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        image.load()  # checks what each part sums up to
        return np.asarray(image)


@pytest.mark.parametrize("shape", [(1, 1), (28, 28), (5, 300), (7, 3, 3), (1, 64, 3)])
def test_another_decoder_reads_every_pixel(shape: tuple[int, ...]) -> None:
    pixels = RANDOM.integers(0, 256, shape, np.uint8)
    assert np.array_equal(decoded(png(pixels)), pixels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("invert", [False, True])
def test_pictures_are_seen_as_their_owner_has_them(channels: int, invert: bool) -> None:
    values = RANDOM.integers(0, 256, (2, channels, 6, 4), np.uint8)
    seen = [decoded(one) for one in pictures(values, preparation(channels, invert=invert), most=9)]
    wanted = (255 - values if invert else values).transpose(0, 2, 3, 1)
    assert np.array_equal(np.stack(seen).reshape(wanted.shape), wanted)
    shares = values / 255
    half = pictures(shares, preparation(channels, invert=invert, white=1.0), most=9)
    assert [decoded(one).tolist() for one in half] == [one.tolist() for one in seen]


def test_a_large_picture_becomes_means_of_squares() -> None:
    values = RANDOM.integers(0, 256, (1, 1, 10, 7), np.uint8)
    (one,) = pictures(values, preparation(1), most=4)
    means = values[0, 0, :9, :6].reshape(3, 3, 2, 3).mean((1, 3))
    assert np.abs(decoded(one) - means).max() <= 0.5 + 1e-9
