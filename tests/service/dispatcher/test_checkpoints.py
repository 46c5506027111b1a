from pathlib import Path

from service.blobs.directory import DirectoryStore
from service.dispatcher.checkpoints import CheckpointStore


def test_files_that_no_row_names_are_found(tmp_path: Path) -> None:
    store = CheckpointStore(DirectoryStore(tmp_path))
    directory = DirectoryStore(tmp_path).workplace("s")
    for name in ("kept", "orphan", "half.tmp"):
        (directory / name).write_text("x")
    assert store.unnamed("s", {"s/kept"}) == ["s/half.tmp", "s/orphan"]
    store.keep("s", ["s/orphan"])
    again = CheckpointStore(DirectoryStore(tmp_path))
    assert again.unnamed("s", {"s/kept"}) == ["s/half.tmp"]
    store.keep("s", ["s/half.tmp"])
    assert store.unnamed("s", {"s/kept"}) == []
    assert store.files("s") == {"s/half.tmp", "s/kept", "s/orphan"}
    store.delete_study("s")
    assert store.unnamed("s", set()) == []
    assert not directory.exists()
