"""Folders and zips of images: what comes in is what is packed, and bad ones are named."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from metaopt.data.limits import MOST_PIXELS
from metaopt.data.manifest import Group
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.errors import InvalidData
from tests.fakes.pictures import animals, colour, encoded, grey, write_files, write_zip
from tests.properties import examples


def packed(path: Path, **packing: Any) -> Any:
    return read(path, Packing(**packing))[1]


def refused(path: Path, **packing: Any) -> str:
    with pytest.raises(InvalidData) as error:
        read(path, Packing(**packing))
    return str(error.value)


@settings(max_examples=examples(20), deadline=None)
@given(
    images=st.lists(arrays(np.uint8, (3, 5, 3)), min_size=4, max_size=4),
    form=st.sampled_from(["png", "bmp", "webp"]),
)
def test_pixels_are_those_of_the_files(
    tmp_path_factory: pytest.TempPathFactory, images: list[Any], form: str
) -> None:
    root = tmp_path_factory.mktemp("images")
    files = {f"{'ab'[i % 2]}/{i}.{form}": encoded(one, form) for i, one in enumerate(images)}
    x = packed(write_files(root, files), channels=3).arrays["x"]
    order = [images[0], images[2], images[1], images[3]]  # group by group
    assert np.array_equal(x, np.stack(order).transpose(0, 3, 1, 2))


def test_a_zip_is_as_good_as_a_folder_wherever_both_are(tmp_path: Path) -> None:
    files = {**animals(), "cat/4.png": animals()["cat/0.png"]}  # twice: a notice, too
    folder = packed(write_files(tmp_path / "here", files)).manifest
    wrapped = {f"top/{name}": content for name, content in reversed(files.items())}
    zipped = packed(write_zip(tmp_path / "a.zip", {**wrapped, "top/README.md": b"x"})).manifest
    assert zipped.digest == folder.digest
    assert folder.groups == (Group("cat", 4), Group("dog", 3))
    assert folder.input_shape == (1, 4, 3) and folder.kind == "images"
    assert folder.notices == (
        "1 example equals another of the same class: 'cat/0.png' and 'cat/4.png'",
    )


def test_folders_of_splits_are_splits_whatever_they_call_validation(tmp_path: Path) -> None:
    files = {
        f"{split}/{name}/1.png": encoded(grey(seed))
        for seed, (split, name) in enumerate(
            [("train", "a"), ("train", "b"), ("val", "c"), ("valid", "d"), ("test", "e")]
        )
    }
    manifest = packed(write_files(tmp_path, files)).manifest
    assert [(group.name, group.split) for group in manifest.groups] == [
        ("a", "train"), ("b", "train"), ("c", "validation"), ("d", "validation"), ("e", "test"),
    ]  # fmt: skip
    (notice,) = manifest.notices
    assert "5 classes have one example only, support and query need one each" in notice


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    manifest = packed(write_files(tmp_path, animals("car train"))).manifest
    assert [(group.name, group.split) for group in manifest.groups] == [
        ("car", None), ("train", None),
    ]  # fmt: skip


def test_folders_in_folders_are_parts_of_a_name_and_numbers_are_in_their_order(
    tmp_path: Path,
) -> None:
    names = ["Greek/c10", "Greek/c9", "Latin/c1"]
    manifest = packed(write_files(tmp_path / "all", animals(" ".join(names)))).manifest
    assert [group.name for group in manifest.groups] == ["Greek/c9", "Greek/c10", "Latin/c1"]


def test_grey_is_what_has_no_colour_however_it_is_stored(tmp_path: Path) -> None:
    pixels = [grey(1), grey(2)]
    stored = {
        "one": [encoded(one) for one in pixels],
        "rgb": [encoded(np.repeat(one[..., None], 3, -1)) for one in pixels],
        "gif": [encoded(one, "gif") for one in pixels],
    }
    digests = set()
    for name, contents in stored.items():
        files = {f"{'ab'[i]}/x.png": content for i, content in enumerate(contents)}
        found = packed(write_files(tmp_path / name, files))
        digests.add(found.manifest.digest)
        assert np.array_equal(found.arrays["x"], np.stack(pixels)[:, None])
    assert len(digests) == 1


def test_one_image_with_colour_makes_all_colour_and_channels_takes_it_out(tmp_path: Path) -> None:
    files = {"a/1.png": encoded(grey(1)), "a/2.png": encoded(colour(2)),
             "b/3.png": encoded(grey(3))}  # fmt: skip
    x = packed(write_files(tmp_path, files)).arrays["x"]
    assert x.shape == (3, 3, 4, 3)
    assert np.array_equal(x[0], np.stack([grey(1)] * 3))
    assert np.array_equal(x[1], colour(2).transpose(2, 0, 1))
    luma = np.asarray(Image.fromarray(colour(2)).convert("L"))
    assert np.array_equal(packed(tmp_path, channels=1).arrays["x"][1, 0], luma)


def test_invert_makes_dark_light(tmp_path: Path) -> None:
    write_files(tmp_path, animals())
    plain, inverted = packed(tmp_path), packed(tmp_path, invert=True)
    assert np.array_equal(inverted.arrays["x"], 255 - plain.arrays["x"])
    assert inverted.manifest.packing == {"size": [4, 3], "channels": 1, "invert": True}


def test_sixteen_bits_are_scaled_transparent_is_white_and_turned_is_upright(
    tmp_path: Path,
) -> None:
    deep = io.BytesIO()
    Image.fromarray(np.array([[0, 257, 65535]], np.uint16)).save(deep, "png")
    clear = io.BytesIO()
    Image.fromarray(np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [9, 9, 9, 255]]], np.uint8)).save(
        clear, "png"
    )
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.fromarray(np.array([[1], [2], [3]], np.uint8)).save(turned, "png", exif=exif)
    files = {"a/1.png": deep.getvalue(), "a/2.png": clear.getvalue(), "b/3.png": turned.getvalue()}
    x = packed(write_files(tmp_path, files)).arrays["x"]
    assert x[:, 0, 0].tolist() == [[0, 1, 255], [255, 0, 9], [3, 2, 1]]


def test_size_is_the_mean_over_what_a_pixel_covers(tmp_path: Path) -> None:
    quarters = np.kron(np.array([[10, 20], [30, 40]]), np.ones((3, 3))).astype(np.uint8)
    files = {"a/1.png": encoded(quarters), "b/2.png": encoded(grey(5, 9, 7))}
    write_files(tmp_path, files)
    x = packed(tmp_path, size=(2, 2)).arrays["x"]
    assert x[0, 0].tolist() == [[10, 20], [30, 40]]
    assert "'a/1.png' is 6 x 6 and 'b/2.png' is 9 x 7: give a size for all, as size 6" in (
        refused(tmp_path)
    )


def test_crop_takes_the_middle_of_that_form(tmp_path: Path) -> None:
    wide = np.kron(np.arange(6), np.ones((4, 2))).astype(np.uint8)  # 4 x 12
    write_files(tmp_path, {"a/1.png": encoded(wide), "b/2.png": encoded(wide.T.copy())})
    cut = packed(tmp_path, size=(2, 2), crop=True)
    assert cut.arrays["x"][:, 0].tolist() == [[[2, 3], [2, 3]], [[2, 2], [3, 3]]]
    assert cut.manifest.packing["crop"] is True
    assert "crop" not in packed(tmp_path, size=(2, 2)).manifest.packing  # as before there was one
    with pytest.raises(InvalidData, match="crop needs a size"):
        packed(tmp_path, crop=True)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a/1.png": b"no image"}, "'a/1.png' is no readable image; replace or remove it"),
        ({"a/1.png": encoded(grey(1))[:-30]}, "'a/1.png' is no readable image: "),
        ({"a/1.png": b""}, "'a/1.png' is no readable image"),
        ({"1.png": encoded(grey(1))}, "holds images itself: put those of each class into a folder"),
        ({"c/d/1.png": encoded(grey(1))}, "'cat' and 'c/d' do, which are not equally deep"),
        ({"cat/old/1.png": encoded(grey(1))}, "'cat' and 'cat/old' do, which are not equally deep"),
        ({"emu/x.txt": b"none"}, "these folders hold none: 'emu'; fill or remove them"),
        ({"cat/9.tiff": b"II*\0"}, "a format that is not read (png, jpg, jpeg, webp, gif, bmp are"),
    ],
)
def test_one_bad_file_among_good_ones_is_named(
    tmp_path: Path, files: dict[str, bytes], words: str
) -> None:
    everything = {**animals(), **files}
    assert words in refused(write_files(tmp_path / "folder", everything))
    assert words in refused(write_zip(tmp_path / "all.zip", everything))


def test_an_empty_folder_is_an_empty_class(tmp_path: Path) -> None:
    write_files(tmp_path, animals())
    (tmp_path / "emu").mkdir()
    assert "these folders hold none: 'emu'" in refused(tmp_path)


def test_one_class_is_too_few_and_no_image_is_none(tmp_path: Path) -> None:
    assert "have the one class 'cat'" in refused(write_files(tmp_path / "one", animals("cat")))
    assert "holds no images" in refused(write_files(tmp_path / "no", {"a/b.txt": b""}))
    (tmp_path / "empty").mkdir()
    assert "holds no images" in refused(tmp_path / "empty")


def test_the_same_class_in_two_folders_of_a_split_is_refused(tmp_path: Path) -> None:
    files = {"val/a/1.png": encoded(grey(1)), "valid/a/2.png": encoded(grey(2))}
    assert "'val/a' and 'valid/a' in" in refused(write_files(tmp_path, files))


def test_equal_images_are_told_by_where_they_are(tmp_path: Path) -> None:
    same = encoded(grey(7))
    files = {"train/a/1.png": same, "train/a/2.png": same, "train/b/3.png": same,
             "test/a/4.png": same, "test/c/5.png": encoded(grey(8))}  # fmt: skip
    notices = packed(write_files(tmp_path, files)).manifest.notices
    assert notices[0].startswith("1 class is in more than one split: 'a'")
    assert notices[2:] == (
        "1 example equals another of the same class: 'train/a/1.png' and 'train/a/2.png'",
        "1 example equals another of another class: 'train/a/1.png' and 'train/b/3.png'",
        "1 example equals another of another split: 'train/a/1.png' and 'test/a/4.png'",
    )


def test_a_small_file_cannot_ask_for_much_memory(tmp_path: Path) -> None:
    side = int(MOST_PIXELS**0.5) + 8
    for factor in (1, 4):  # beyond ours; beyond Pillow's own
        bomb = io.BytesIO()
        Image.new("1", (side, side * factor)).save(bomb, "png")
        assert len(bomb.getvalue()) < 100_000
        files = {**animals(), "dog/bomb.png": bomb.getvalue()}
        words = refused(write_files(tmp_path / str(factor), files), size=(4, 4))
        assert f"'dog/bomb.png' has more than {MOST_PIXELS:,} pixels" in words


def test_a_set_that_is_too_large_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metaopt.data.limits.MOST_BYTES", 50)
    words = refused(write_files(tmp_path, animals()))
    assert words == (
        "the arrays would take 72 bytes, a data set at most 50 bytes: a smaller size, or channels "
        "1, makes them smaller"
    )


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    write_files(tmp_path / "elsewhere", {"1.png": encoded(grey(50))})
    root = write_files(tmp_path / "here", animals())
    (root / "emu").symlink_to(tmp_path / "elsewhere")
    assert [group.name for group in packed(root).manifest.groups] == ["cat", "dog", "emu"]
    (root / "emu").unlink()
    (root / "emu").symlink_to(root)
    assert "is a link to a folder that it lies in" in refused(root)
    (root / "emu").unlink()
    os.mkfifo(root / "cat" / "9.png")
    assert "is neither a file nor a folder" in refused(root)


def test_what_systems_leave_behind_is_not_seen(tmp_path: Path) -> None:
    junk = {"cat/Thumbs.db": b"x", ".git/1.png": b"x", "cat/.1.png": b"x", "__MACOSX/1.png": b"x"}
    zipped = packed(write_zip(tmp_path / "a.zip", {**animals(), **junk}))
    folder = packed(write_files(tmp_path / "a", {**animals(), **junk}))
    assert zipped.manifest.digest == folder.manifest.digest
    assert zipped.manifest.examples == 6


def test_options_of_other_data_are_refused(tmp_path: Path) -> None:
    write_files(tmp_path, animals())
    assert refused(tmp_path, class_column="x") == "class has no meaning for images: leave it out"
    assert "kind table was asked for" in refused(tmp_path, kind="table")
