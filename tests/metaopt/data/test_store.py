"""The store: what was added comes back bit for bit, by digest and by name, or not at all."""

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metaopt.data.manifest import Manifest
from metaopt.data.names import checked_name, name_of
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.data.whole import locked
from metaopt.errors import DataNameTaken, InvalidData
from tests.fakes.pictures import animals, write_files


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    return DataStore(tmp_path / "store")


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    return read(write_files(tmp_path / "animals", animals()))[1]


def other(tmp_path: Path, **packing: Any) -> Packed:
    return read(tmp_path / "animals", Packing(**packing))[1]


def refused(function: Any, *arguments: Any) -> str:
    with pytest.raises(InvalidData) as error:
        function(*arguments)
    return str(error.value)


def files(store: DataStore) -> list[str]:
    return sorted(str(p.relative_to(store.directory)) for p in store.directory.rglob("[!.]*"))


def test_what_was_added_comes_back_by_every_name(store: DataStore, packed: Packed) -> None:
    digest = store.add(packed, "animals")
    assert store.add(packed, "animals") == store.add(packed, "zoo") == digest
    for reference in ("animals", "zoo", digest, f"sha256:{digest}"):
        assert store.get(reference) == packed.manifest
        loaded = store.load(reference)
        assert loaded.manifest == packed.manifest
        assert np.array_equal(loaded.arrays["x"], packed.arrays["x"])
    (entry,) = store.entries()
    assert entry.names == ("animals", "zoo") and entry.manifest.digest == digest
    arrays = packed.manifest.arrays
    assert files(store) == sorted(
        [f"{digest}.json", f"{arrays}.safetensors", "names", "names/animals", "names/zoo"]
    )


def test_a_manifest_is_its_json(packed: Packed) -> None:
    text = packed.manifest.to_json()
    assert Manifest.from_json(text) == packed.manifest
    assert Manifest.from_json(json.dumps(json.loads(text))).digest == packed.manifest.digest


def test_a_name_is_of_one_data_set(store: DataStore, packed: Packed, tmp_path: Path) -> None:
    store.add(packed, "animals")
    words = refused(store.add, other(tmp_path, invert=True), "animals")
    assert f"the name 'animals' means sha256:{packed.manifest.digest[:12]}… here" in words
    assert len(store.entries()) == 1 and len(files(store)) == 4


def test_names_go_one_by_one_and_the_last_takes_the_data_with_it(
    store: DataStore, packed: Packed, tmp_path: Path
) -> None:
    store.add(packed, "a")
    store.add(packed, "b")
    licensed = store.add(other(tmp_path, licence="MIT"), "c")  # the same arrays
    store.remove("a")
    assert store.names_of(packed.manifest.digest) == ("b",)
    store.remove("b")
    assert [entry.manifest.digest for entry in store.entries()] == [licensed]
    assert np.array_equal(store.load("c").arrays["x"], packed.arrays["x"])
    store.add(packed, "a")
    store.remove(f"sha256:{licensed}")
    store.remove(packed.manifest.digest)
    assert files(store) == ["names"] and store.entries() == []


def test_what_is_not_there_is_said_with_what_is(store: DataStore, packed: Packed) -> None:
    assert refused(store.get, "animals") == "there is no data set 'animals'"
    store.add(packed, "animals")
    words = "there is no data set 'animasl', did you mean animals?; there are animals"
    assert refused(store.get, "animasl") == refused(store.remove, "animasl") == words
    for nowhere in ("0" * 64, "sha256:" + "0" * 64):
        assert "there is no data set" in refused(store.load, nowhere)
        assert "there is no data set" in refused(store.remove, nowhere)
    assert "there is no data set '../x'" in refused(store.get, "../x")


NO_MANIFESTS = (
    b"", b"{}", b"[]", b"7", b"\xff", b"[" * 100_000, b'{"version": 2}',
    b'{"version": 1, "groups": [{}]}', b'{"version": 1, "groups": {"a": 1}}',
)  # fmt: skip


def test_damage_is_noticed_and_mended_by_adding_again(store: DataStore, packed: Packed) -> None:
    digest = store.add(packed, "animals")
    arrays = store.directory / f"{packed.manifest.arrays}.safetensors"
    manifest = store.directory / f"{digest}.json"
    content = bytearray(arrays.read_bytes())
    content[-1] ^= 1
    arrays.write_bytes(bytes(content))
    assert store.get("animals") == packed.manifest
    assert "is damaged: its SHA-256 is" in refused(store.load, "animals")
    store.add(packed, "animals")
    assert store.load("animals").manifest == packed.manifest
    manifest.write_text(manifest.read_text().replace("cat", "cow"))
    assert "damaged, its manifest is not what its name says" in refused(store.get, "animals")
    store.add(packed, "animals")
    assert store.get("animals") == packed.manifest
    for text in NO_MANIFESTS:
        manifest.write_bytes(text)
        assert "is damaged, its manifest is not" in refused(store.get, "animals")
    store.remove("animals")
    assert store.entries() == []


def test_one_that_is_damaged_is_named_and_the_others_are_listed(
    store: DataStore, packed: Packed, tmp_path: Path
) -> None:
    digest = store.add(packed, "animals")
    store.add(other(tmp_path, invert=True), "dark")
    (store.directory / f"{digest}.json").write_text("{}")
    (store.directory / "notes.json").write_text("somebody else's")
    entries, (damaged,) = store.listing()
    assert [entry.names for entry in entries] == [("dark",)]
    assert (damaged.digest, damaged.names) == (digest, ("animals",))
    assert "add the data again, or remove the data set by its digest" in damaged.cause
    store.remove(digest)
    assert store.listing()[1] == []


def test_a_data_set_needs_no_name(store: DataStore, packed: Packed, tmp_path: Path) -> None:
    digest = store.add(packed, None)
    assert store.entries()[0].names == ()
    with pytest.raises(DataNameTaken, match="means sha256:"):
        store.add(other(tmp_path, invert=True), "a") and store.add(packed, "a")
    assert store.get(digest) == packed.manifest
    store.remove(digest)
    assert [entry.names for entry in store.entries()] == [("a",)]


def test_what_somebody_relies_on_stays(store: DataStore, packed: Packed) -> None:
    digest = store.add(packed, "a")
    store.add(packed, "b")

    def used(gone: str) -> None:
        raise KeyError(gone)

    store.remove("b", used)  # the data have another name
    for reference in ("a", digest):
        with pytest.raises(KeyError, match=digest):
            store.remove(reference, used)
    assert store.names_of(digest) == ("a",) and store.load("a").manifest == packed.manifest
    removed = threading.Thread(target=store.remove, args=("a",))
    with store.staying(), store.staying():
        removed.start()
        removed.join(0.2)
        assert removed.is_alive() and store.get("a") == packed.manifest
    removed.join(20)
    assert store.entries() == [] and not removed.is_alive()
    with DataStore(store.directory / "none").staying():
        assert not (store.directory / "none").exists()


@pytest.mark.parametrize("name", [".lock", ".staying"])
def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(
    store: DataStore, packed: Packed, name: str
) -> None:
    store.add(packed, "a")
    with locked(store.directory / name), pytest.raises(TimeoutError, match="its lock for 2 s"):
        store.remove("a")
    with locked(store.directory / ".staying"), pytest.raises(TimeoutError, match="its lock for"):
        with store.staying():
            raise AssertionError("it may be removed at this very moment")
    assert store.get("a") == packed.manifest
    store.remove("a")


def test_arrays_that_are_not_the_manifest_s_are_refused(store: DataStore, packed: Packed) -> None:
    fewer = Packed(packed.manifest, {"x": packed.arrays["x"][:-1]})
    assert "its manifest tells of" in refused(store.add, fewer, "animals")
    assert store.entries() == []


def test_a_full_disk_leaves_nothing_that_has_a_name(
    store: DataStore, packed: Packed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(os, "fsync", full)
        store.add(packed, "animals")
    assert files(store) == ["names"] and store.entries() == []
    (store.directory / ".killed.part").write_bytes(b"half")
    store.add(packed, "animals")
    store.remove("animals")
    assert not list(store.directory.glob(".*.part"))


def test_an_exported_one_is_the_same_elsewhere(
    store: DataStore, packed: Packed, tmp_path: Path
) -> None:
    digest = store.add(packed, "animals")
    folder = store.export("animals", tmp_path / "out")
    look, again = read(folder)
    assert look == (None, "exported")
    assert DataStore(tmp_path / "elsewhere").add(again, "beasts") == digest
    assert "is there and not an empty folder" in refused(store.export, "animals", folder)
    with pytest.raises(InvalidData, match="invert has no meaning for a data set that was exported"):
        read(folder, Packing(invert=True))
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(InvalidData, match="is no manifest of a data set"):
        read(folder)
    (folder / "manifest.json").write_text(packed.manifest.to_json().replace('"cat"', '"cow"'))
    assert read(folder)[1].manifest.digest != digest  # another name of a class, another data set
    (folder / "arrays.safetensors").write_bytes(b"x")
    with pytest.raises(InvalidData, match="is damaged: its SHA-256 is"):
        read(folder)


ADD = """
import sys
from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.data.whole import locked
directory, source, number = sys.argv[1:]
DataStore(directory).add(read(source, Packing(licence=f"L{int(number) % 2}"))[1], f"name{number}")
"""


def test_several_that_add_at_once_lose_no_name(store: DataStore, tmp_path: Path) -> None:
    source = write_files(tmp_path / "animals", animals())
    adders = [
        subprocess.Popen([sys.executable, "-c", ADD, store.directory, source, str(number)])
        for number in range(4)
    ]
    assert [adder.wait(100) for adder in adders] == [0] * 4
    assert [entry.names for entry in store.entries()] == [("name0", "name2"), ("name1", "name3")]


@given(st.text(max_size=70))
def test_a_name_is_a_name_of_a_file_or_refused(name: str) -> None:
    try:
        checked_name(name)
    except InvalidData as error:
        assert "the name of a data set has 1 to 64" in str(error)
    else:
        assert Path(name).name == name and name == name.lower() and not name.startswith(".")


def test_names_follow_from_paths() -> None:
    assert name_of(Path("/x/My Kana (28).zip")) == "my-kana-28"
    assert name_of(Path("letters.csv")) == "letters"
    assert name_of(Path("t10k-images-idx3-ubyte.gz")) == "t10k-images-idx3-ubyte"
    with pytest.raises(InvalidData, match="name it, as kana-28"):
        name_of(Path("かな"))
    with pytest.raises(InvalidData, match="is no digest"):
        checked_name("a" * 64)
