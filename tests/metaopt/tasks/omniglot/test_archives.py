from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from metaopt.errors import InvalidTasks
from metaopt.tasks.omniglot.archives import find_archives, read_archives
from metaopt.tasks.omniglot.file import Drawings
from metaopt.tasks.omniglot.tasks import read_drawings


@pytest.mark.parametrize("kind", ["zips", "folders"])
def test_a_users_own_copy_gives_equal_names_and_pixels(
    kind: str, few: Drawings, request: pytest.FixtureRequest
) -> None:
    copy = read_drawings(request.getfixturevalue(kind))
    assert (copy.characters, copy.drawers) == (few.characters, few.drawers)
    assert np.array_equal(copy.bits, few.bits)


def test_one_folder_and_one_zip_will_do(folders: Path, zips: Path, few: Drawings) -> None:
    (zips / "images_evaluation.zip").rename(folders / "images_evaluation.zip")
    for file in sorted((folders / "images_evaluation").rglob("*"), reverse=True):
        file.unlink() if file.is_file() else file.rmdir()
    (folders / "images_evaluation").rmdir()
    found = find_archives(folders)
    assert [path.name for path in found] == ["images_background", "images_evaluation.zip"]
    assert np.array_equal(read_archives(found).bits, few.bits)


def test_images_saved_as_greyscale_read_the_same(folders: Path, few: Drawings) -> None:
    for file in folders.rglob("*.png"):
        with Image.open(file) as image:
            grey = image.convert("L")
        grey.save(file)
    assert np.array_equal(read_drawings(folders).bits, few.bits)


def test_a_missing_half_is_named(zips: Path) -> None:
    (zips / "images_evaluation.zip").unlink()
    with pytest.raises(InvalidTasks, match=r"images_evaluation\.zip or the folder"):
        read_drawings(zips)


def test_a_missing_drawing_is_named(folders: Path) -> None:
    next((folders / "images_evaluation").rglob("*_07.png")).unlink()
    with pytest.raises(InvalidTasks, match=r"every character must have the same drawings.* 19 or"):
        read_drawings(folders)


def test_an_image_of_another_size_is_named(folders: Path) -> None:
    file = next(folders.rglob("*_03.png"))
    Image.new("1", (28, 28)).save(file)
    with pytest.raises(InvalidTasks, match=rf"{file.name}.* must be 105 x 105 pixels"):
        read_drawings(folders)


def test_a_broken_image_is_named(folders: Path) -> None:
    file = next(folders.rglob("*_03.png"))
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(InvalidTasks, match=rf"{file.name}.* is no readable image"):
        read_drawings(folders)


def test_a_broken_zip_is_named(zips: Path) -> None:
    broken = zips / "images_background.zip"
    broken.write_bytes(broken.read_bytes()[:-200])
    with pytest.raises(InvalidTasks, match=r"images_background\.zip cannot be read as a zip"):
        read_drawings(zips)


def test_empty_folders_are_refused(tmp_path: Path) -> None:
    for part in ("images_background", "images_evaluation"):
        (tmp_path / part).mkdir()
    with pytest.raises(InvalidTasks, match="no drawings in"):
        read_drawings(tmp_path)
