"""Blobs in a directory: a disk that is away, and what is never named."""

from pathlib import Path

import pytest

from service.blobs.base import MARK, BlobDamaged, PrefixGone
from service.blobs.directory import DirectoryStore


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "s/../../secret", "s/..", "s", "s/"])
def test_nothing_outside_the_root_is_ever_named(tmp_path: Path, key: str) -> None:
    store = DirectoryStore(tmp_path / "root")
    for named in (store.path, store.read, store.delete):
        with pytest.raises(ValueError, match="no key of a blob"):
            named(key)


def test_a_disk_that_is_away_is_said_and_never_taken_for_another(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "root")
    store.adopt([])
    assert store.fault() is None
    directory = store.workplace("s")
    (tmp_path / "root").rename(tmp_path / "away")
    assert "is not there" in str(store.fault())
    store.adopt(["s/t-10"])
    assert not (tmp_path / "root").exists()
    with pytest.raises(OSError, match="is its disk mounted"):
        store.prepare("s")
    with pytest.raises(OSError, match="No such file"):
        store.read("s/t-10")  # of a disk that is away, not of this file
    (tmp_path / "root").write_text("a file")
    assert "cannot be used: Not a directory" in str(store.fault())
    (tmp_path / "root").unlink()
    (tmp_path / "away").rename(tmp_path / "root")
    assert store.fault() is None
    assert store.workplace("s") == directory
    with pytest.raises(BlobDamaged, match="s/t-10 cannot be read"):
        store.read("s/t-10")
    directory.rmdir()
    with pytest.raises(PrefixGone):
        store.prepare("s")
    store.delete_all("s")
    store.prepare("s")
    assert directory.is_dir() and store.prefixes() == ["s"]


def test_what_cannot_be_deleted_now_stays(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    (store.workplace("s") / "t-10").mkdir()
    store.delete("s/t-10")
    assert store.keys("s") == {"s/t-10"}


def test_what_is_put_only_gets_its_name(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.adopt([])
    written = store.workplace("s") / "anything"
    written.write_bytes(b"weights")
    inode = written.stat().st_ino
    store.put({"s/t-ab": written})
    with store.local({"s/t-ab": None}) as paths:
        assert paths["s/t-ab"].stat().st_ino == inode
    assert store.read("s/t-ab") == b"weights"
    assert sorted(path.name for path in tmp_path.rglob("*")) == [MARK, "s", "t-ab"]
