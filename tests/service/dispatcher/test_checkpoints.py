from pathlib import Path

import pytest

from service.dispatcher.checkpoints import CheckpointStore, DirectoryGone


def test_a_name_leads_back_to_its_file(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    path = Path(store.directory("s")) / "t-10"
    path.write_text("x")
    name = store.name_of(str(path))
    assert name == "s/t-10"
    assert store.path_of(name) == str(path)
    store.delete(name)
    store.delete(name)
    assert not path.exists()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "s/../../secret"])
def test_nothing_outside_the_root_is_ever_named(tmp_path: Path, name: str) -> None:
    store = CheckpointStore(tmp_path / "root")
    with pytest.raises(ValueError, match="not in the subpath"):
        store.path_of(name)
    with pytest.raises(ValueError, match="not in the subpath"):
        store.name_of(str(tmp_path / "root" / name))


def test_files_that_no_row_names_are_found(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    directory = Path(store.directory("s"))
    for name in ("kept", "orphan", "half.tmp"):
        (directory / name).write_text("x")
    assert store.unnamed("s", {"s/kept"}) == ["s/half.tmp", "s/orphan"]
    store.keep("s", ["s/orphan"])
    assert CheckpointStore(tmp_path).unnamed("s", {"s/kept"}) == ["s/half.tmp"]
    store.keep("s", ["s/half.tmp"])
    assert store.unnamed("s", {"s/kept"}) == []
    assert store.files("s") == {"s/half.tmp", "s/kept", "s/orphan"}
    store.delete_study("s")
    assert store.unnamed("s", set()) == []
    assert not directory.exists()


def test_a_disk_that_is_away_is_said_and_never_taken_for_another(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path / "root")
    store.adopt([])
    assert store.fault() is None
    directory = Path(store.directory("s"))
    (tmp_path / "root").rename(tmp_path / "away")
    assert "is not there" in str(store.fault())
    store.adopt(["s/t-10"])
    assert not (tmp_path / "root").exists()
    (tmp_path / "root").write_text("a file")
    assert "cannot be used: Not a directory" in str(store.fault())
    (tmp_path / "root").unlink()
    (tmp_path / "away").rename(tmp_path / "root")
    assert store.fault() is None
    assert store.directory("s") == str(directory)
    directory.rmdir()
    with pytest.raises(DirectoryGone):
        store.directory("s")
    store.delete_study("s")
    assert store.directory("s") == str(directory)


def test_what_cannot_be_deleted_now_stays(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path)
    (Path(store.directory("s")) / "t-10").mkdir()
    store.delete("s/t-10")
    assert store.files("s") == {"s/t-10"}
