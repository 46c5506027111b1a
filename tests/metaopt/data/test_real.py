"""Real data sets, where the checkout has them beside it: all of each, against another reading."""

import csv
import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metaopt.data.packing import Packing
from metaopt.data.reading import read

DATA = Path(__file__).parents[4] / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="no real data beside the checkout")


def test_kana_by_typeface_pixel_for_pixel() -> None:
    packed = read(DATA / "kana_typefaces" / "kana.zip", Packing(invert=True))[1]
    assert len(packed.manifest.groups) == 164
    assert {group.examples for group in packed.manifest.groups} == {16}
    x, begins = packed.arrays["x"], packed.offsets
    with zipfile.ZipFile(DATA / "kana_typefaces" / "kana.zip") as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".png"))
        for place in (0, 77, 163):
            group = packed.manifest.groups[place]
            mine = [name for name in names if name.split("/")[-2] == group.name]
            pixels = [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in mine]
            assert np.array_equal(x[begins[place] : begins[place + 1], 0], 255 - np.stack(pixels))
    assert any("of another class: 'hiragana_be/" in notice for notice in packed.manifest.notices)


def test_ten_thousand_digits_pixel_for_pixel() -> None:
    folder = DATA / "mnist_t10k"
    packed = read(folder)[1]
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:], np.uint8)
    assert [group.name for group in packed.manifest.groups] == list("0123456789")
    expected = images[np.argsort(labels, kind="stable")]
    assert np.array_equal(packed.arrays["x"][:, 0], expected)


def test_twenty_thousand_letters_row_for_row() -> None:
    path = DATA / "letter_recognition" / "letter-recognition.data"
    packed = read(path, Packing(class_column="column1"))[1]
    with path.open(newline="") as file:
        rows = sorted(csv.reader(file), key=lambda row: row[0])
    assert np.array_equal(packed.arrays["x"], np.array([row[1:] for row in rows], np.float32))
    assert len(packed.manifest.groups) == 26 and packed.manifest.examples == 20_000
