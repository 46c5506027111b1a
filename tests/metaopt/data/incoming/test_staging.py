"""Arrays that are sent are a data set's, bit for bit, or nothing is stored."""

import hashlib
import json
import os
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metaopt.data import arrays as files
from metaopt.data.incoming.arrays_file import check_arrays
from metaopt.data.manifest import Manifest
from metaopt.data.pack import Packed
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.errors import DataIncomplete, DataNameTaken, InvalidData
from tests.fakes.pictures import animals, write_files

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> DataStore:
    return DataStore(tmp_path / "store")


@pytest.fixture
def packed(tmp_path: Path) -> Packed:
    return read(write_files(tmp_path / "animals", animals()))[1]


@pytest.fixture
def table(tmp_path: Path) -> Packed:
    (tmp_path / "t.csv").write_text("task,x,target\na,1,3\na,2,4\nb,1,3\n")
    return read(tmp_path / "t.csv")[1]


def content_of(packed: Packed) -> bytes:
    return b"".join(files.pieces(packed.arrays))


def send(store: DataStore, content: bytes, digest: str | None = None) -> str:
    digest = digest or hashlib.sha256(content).hexdigest()
    with closing(store.incoming.begin(digest, NOW)) as part:
        for begin in range(0, len(content), 100):
            part.write(content[begin : begin + 100])
        part.finish()
    return digest


def there(store: DataStore) -> list[str]:
    return sorted(path.name for path in store.directory.rglob("[!.]*") if path.is_file())


def test_arrays_then_their_manifest_are_a_data_set(store: DataStore, packed: Packed) -> None:
    with pytest.raises(DataIncomplete, match="are not here: send them first"):
        store.add_sent(packed.manifest, "animals")
    arrays = send(store, content_of(packed))
    assert arrays == packed.manifest.arrays and store.has_arrays(arrays)
    assert store.entries() == []
    assert store.add_sent(packed.manifest, "animals") == packed.manifest.digest
    assert np.array_equal(store.load("animals").arrays["x"], packed.arrays["x"])
    assert store.add_sent(packed.manifest, None) == store.add_sent(packed.manifest, "zoo")
    names = ["animals", f"{arrays}.safetensors", f"{packed.manifest.digest}.json", "zoo"]
    assert there(store) == sorted(names) and store.has_arrays(arrays)


def test_a_transfer_that_is_cut_or_changed_leaves_nothing(store: DataStore, packed: Packed) -> None:
    content = content_of(packed)
    for wrong in (content[:-1], content + b"x", b""):
        with pytest.raises(InvalidData, match=f"what came has {len(wrong)} bytes and SHA-256"):
            send(store, wrong, packed.manifest.arrays)
    with (
        pytest.raises(KeyError),
        closing(store.incoming.begin(packed.manifest.arrays, NOW)) as part,
    ):
        part.write(content[:50])
        raise KeyError("the connection is gone")
    assert there(store) == []


def test_damaged_arrays_are_none(store: DataStore, packed: Packed) -> None:
    arrays = send(store, content_of(packed))
    store.add_sent(packed.manifest, "animals")
    path = store.arrays_of(packed.manifest)
    path.write_bytes(content_of(packed)[:-1] + b"?")
    assert not store.has_arrays(arrays)
    with pytest.raises(DataIncomplete):
        store.add_sent(packed.manifest, "animals")
    send(store, content_of(packed))
    store.add_sent(packed.manifest, "animals")
    assert store.load("animals").manifest == packed.manifest


def test_a_name_that_is_taken_leaves_the_arrays_for_another_try(
    store: DataStore, packed: Packed, table: Packed
) -> None:
    store.add(table, "mine")
    arrays = send(store, content_of(packed))
    with pytest.raises(DataNameTaken):
        store.add_sent(packed.manifest, "mine")
    assert store.has_arrays(arrays) and len(store.entries()) == 1
    store.add_sent(packed.manifest, None)


def test_what_nobody_took_within_a_day_goes(store: DataStore, packed: Packed) -> None:
    old = store.incoming.path(send(store, b"nobody's"))
    young = store.incoming.path(send(store, b"somebody's"))
    killed = store.incoming.directory / "0123456789abcdef.part"
    killed.write_bytes(b"half")
    for path, age in ((old, 25), (killed, 25), (young, 23)):
        at = (NOW - timedelta(hours=age)).timestamp()
        os.utime(path, (at, at))
    send(store, content_of(packed))
    assert there(store) == sorted([young.name, packed.manifest.arrays])


def header(content: bytes) -> dict[str, Any]:
    size = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + size]))


def file_of(header: Any, data: bytes) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data


def hostile(packed: Packed) -> list[bytes]:
    """Files that other programs might take, or choke on."""
    content = content_of(packed)
    head = header(content)
    data = content[-sum(array.nbytes for array in packed.arrays.values()) :]
    x = head["x"]
    return [
        b"",
        b"\xff" * 8,
        b"\x80\x04cposix\nsystem\n.",  # a pickle
        content[:-1],
        content + b"\0",
        file_of({**head, "../x": x}, data),
        file_of({"__metadata__": {"a": "b"}, **head}, data),
        file_of({"x": {**x, "data_offsets": [0, 2**62]}}, data),
        file_of({"x": {**x, "data_offsets": [4, x["data_offsets"][1] + 4]}}, data),
        file_of({"x": {**x, "shape": [2**40, 2**40]}}, data),
        file_of({"x": {**x, "shape": x["shape"][::-1]}}, data),
        file_of({"x": {**x, "dtype": "F64"}}, data),
        file_of([], data),
        (2**63).to_bytes(8, "little") + content[8:],
    ]


def test_other_arrays_than_the_manifest_s_are_refused(store: DataStore, packed: Packed) -> None:
    for content in hostile(packed):
        manifest = replace(packed.manifest, arrays=send(store, content))
        with pytest.raises(InvalidData, match="the arrays are not those that the manifest tells"):
            store.add_sent(manifest, "animals")
    assert store.entries() == []


def test_numbers_must_be_finite(store: DataStore, table: Packed, tmp_path: Path) -> None:
    for name, bad in (("x", np.nan), ("y", -np.inf)):
        arrays = {key: array.copy() for key, array in table.arrays.items()}
        arrays[name][2] = bad
        manifest = replace(table.manifest, arrays=files.digest(arrays))
        send(store, content_of(Packed(manifest, arrays)))
        with pytest.raises(InvalidData, match=rf"array {name} has {bad} in its example 2"):
            store.add_sent(manifest, "t")
        exported = _exported(tmp_path / name, manifest, arrays)
        with pytest.raises(InvalidData, match=rf"array {name} has {bad} in its example 2"):
            read(exported)
    check_arrays(_exported(tmp_path, table.manifest, table.arrays) / _FILE, table.manifest)


def test_a_folder_whose_manifest_breaks_a_rule_is_none(table: Packed, tmp_path: Path) -> None:
    for change, field in (({"arrays": "../up"}, "arrays"), ({"licence": "\ud800"}, "licence")):
        folder = _exported(tmp_path / field, table.manifest, table.arrays)
        said = {**json.loads(table.manifest.to_json()), **change}
        (folder / "manifest.json").write_text(json.dumps(said))
        with pytest.raises(InvalidData, match=f"no manifest of a data set: {field} must"):
            read(folder)


_FILE = "arrays.safetensors"


def _exported(folder: Path, manifest: Manifest, arrays: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / _FILE).write_bytes(b"".join(files.pieces(arrays)))
    (folder / "manifest.json").write_text(manifest.to_json())
    return folder
