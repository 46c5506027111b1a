"""Zips of anybody's: nothing leads out of them, nothing unpacks to too much, bad ones are named."""

import struct
import unicodedata
import warnings
import zipfile
from pathlib import Path

import pytest

from metaopt.data.files import in_folder, in_zip
from metaopt.errors import InvalidData
from tests.fakes.pictures import write_files, write_zip


def refused(path: Path) -> str:
    with pytest.raises(InvalidData) as error, in_zip(path) as listing:
        for file in listing.files:
            file.read()
    return str(error.value)


@pytest.mark.parametrize("name", ["../a.png", "a/../../b.png", "/etc/a.png", "C:/a.png", "..\\a"])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    words = refused(write_zip(tmp_path / "a.zip", {"a/1.png": b"x", name: b"x"}))
    assert "has a name that leads out of it" in words


def test_what_would_unpack_to_too_much_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "a.zip", {f"a/{i}.png": bytes(2**20) for i in range(4)})
    assert path.stat().st_size < 10_000
    monkeypatch.setattr("metaopt.data.files.MOST_FILE_BYTES", 2**19)
    assert refused(path) == "'a/0.png' has 1.0 MiB, a file at most 512.0 KiB"
    monkeypatch.setattr("metaopt.data.files.MOST_UNPACKED", 2**21)
    assert "would unpack to 4.0 MiB, at most 2.0 MiB is read" in refused(path)
    monkeypatch.setattr("metaopt.data.files.MOST_FILES", 3)
    assert "holds 4 files, at most 3 are read" in refused(path)
    write_files(tmp_path / "b", {f"a/{i}.png": b"" for i in range(4)})
    with pytest.raises(InvalidData, match="holds more than 3 files"):
        in_folder(tmp_path / "b")


def test_a_member_that_is_longer_than_it_says_is_damaged(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/1.png": bytes(2**20)})
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = struct.pack("<I", 100)  # its uncompressed size
    path.write_bytes(bytes(content))
    assert "'a/1.png' in" in refused(path) and "is damaged" in refused(path)


def test_damaged_encrypted_and_doubled_ones_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a/1.png": b"hello" * 10})
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    assert "cannot be read as a zip" in refused(path)
    flipped = bytearray(whole)
    flipped[40] ^= 255
    path.write_bytes(bytes(flipped))
    assert "is damaged" in refused(path)
    locked = bytearray(whole)
    locked[locked.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(bytes(locked))
    assert "is encrypted" in refused(path)
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a/1.png", b"x")
        archive.writestr("a/1.png", b"y")
    assert "holds 'a/1.png' twice" in refused(path)


def test_names_are_the_same_however_a_system_writes_them(tmp_path: Path) -> None:
    name = "かば/é.png"
    apart = unicodedata.normalize("NFD", name)
    write_files(tmp_path / "b", {apart: b"x"})
    assert [file.name for file in in_folder(tmp_path / "b").files] == [name]
    path = write_zip(tmp_path / "a.zip", {apart.replace("/", "\\"): b"x"})
    plain = write_zip(tmp_path / "b.zip", {"x" * len(apart.encode()): b"x"})
    unflagged = plain.read_bytes().replace(b"x" * len(apart.encode()), apart.encode())
    plain.write_bytes(unflagged)  # UTF-8 that does not say so, as macOS has it
    for one in (path, plain):
        with in_zip(one) as listing:
            assert [file.name for file in listing.files] == [name]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "cannot be read: No such file or directory" in refused(tmp_path / "none.zip")
