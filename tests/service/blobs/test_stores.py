"""What every store of blobs promises, asked of a directory and of a real server that speaks S3."""

import hashlib
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.blobs.base import BlobDamaged, BlobStore
from service.blobs.opening import open_blobs
from service.blobs.place import Place
from tests.fakes.objects import BUCKET, ObjectServer
from tests.waiting import wait_until


@pytest.fixture(params=["directory", "objects"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[BlobStore]:
    url = None
    if request.param == "objects":
        request.getfixturevalue("server").use(monkeypatch)
        url = f"s3://{BUCKET}/{uuid.uuid4().hex}"
    one = open_blobs(Place(url, tmp_path / "there", tmp_path / "copies", 2**20))
    yield one
    one.close()


def put(store: BlobStore, key: str, content: bytes) -> str:
    written = store.workplace(key.partition("/")[0]) / uuid.uuid4().hex
    written.write_bytes(content)
    store.put({key: written})
    assert not written.exists()
    return hashlib.sha256(content).hexdigest()


def test_what_is_put_is_there_until_it_is_deleted(store: BlobStore) -> None:
    store.adopt([])
    one, other = put(store, "s/one", b"1"), put(store, "s/other", b"2" * 10**6)
    put(store, "t/one", b"3")
    assert store.keys("s") == {"s/one", "s/other"} and store.keys("u") == set()
    assert {"s", "t"} <= set(store.prefixes()) and store.fault() is None
    with store.local({"s/one": one, "s/other": other}) as paths:
        assert paths["s/one"].read_bytes() == b"1"
        assert hashlib.sha256(paths["s/other"].read_bytes()).hexdigest() == other
    assert store.read("s/one") == b"1"
    store.delete("s/one", at_once=True)
    store.delete("s/one")
    store.delete("s/never")
    assert store.keys("s") == {"s/other"}
    with pytest.raises(BlobDamaged, match="s/one"):
        store.read("s/one")
    with store.local({"s/one": one}) as paths:
        assert not paths["s/one"].exists() and paths["s/one"].parent.is_dir()
    store.delete_all("s")
    assert store.keys("s") == set() and store.keys("t") == {"t/one"}


def test_the_same_content_may_be_put_again_after_it_was_let_go_of(store: BlobStore) -> None:
    store.adopt([])
    for at_once in (True, False):
        put(store, "s/one", b"1")
        store.delete("s/one", at_once=at_once)
        put(store, "s/one", b"1")
        assert store.keys("s") == {"s/one"} and store.read("s/one") == b"1"


def test_a_small_file_is_written_over(store: BlobStore) -> None:
    store.adopt([])
    store.workplace("s")
    for content in (b"before", b"after"):
        store.write("s/.kept", content)
        assert store.read("s/.kept") == content
    assert store.keys("s") == {"s/.kept"}


def test_a_place_is_known_again_by_its_files_and_never_taken_for_another(store: BlobStore) -> None:
    store.adopt(["s/one", "t/two"])
    assert "trials resume from files in it" in str(store.fault())
    put(store, "t/two", b"2")
    store.adopt(["s/one"])
    assert store.fault() is not None
    store.adopt(["s/one", "t/two"])
    wait_until(lambda: store.fault() is None, what="a store that is known")


@pytest.mark.parametrize("key", ["../secret", "/etc/passwd", "s/../../secret", "s/..", "s"])
def test_no_key_leads_elsewhere(store: BlobStore, key: str, tmp_path: Path) -> None:
    store.adopt([])
    (tmp_path / "written").write_bytes(b"x")
    for use in (store.read, store.delete):
        with pytest.raises(ValueError, match="no key of a blob"):
            use(key)
    with pytest.raises(ValueError, match="no key of a blob"):
        store.put({key: tmp_path / "written"})


def test_many_threads_may_put_and_read(store: BlobStore) -> None:
    store.adopt([])
    wrong: list[str] = []

    def work(number: int) -> None:
        for turn in range(5):
            content = f"{number} {turn}".encode() * 1000
            digest = put(store, f"s{number % 2}/{number}-{turn}", content)
            with store.local({f"s{number % 2}/{number}-{turn}": digest}) as paths:
                if paths[f"s{number % 2}/{number}-{turn}"].read_bytes() != content:
                    wrong.append(f"{number} {turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and len(store.keys("s0") | store.keys("s1")) == 30


def test_what_lies_at_hand_is_whole(store: BlobStore, server: ObjectServer) -> None:
    store.adopt([])
    put(store, "s/one.safetensors", b"1")
    (store.workplace("s") / "half.safetensors.7.tmp").write_bytes(b"x")
    at_hand = list(store.at_hand())
    assert at_hand == ([] if store.where.startswith("s3:") else ["s/one.safetensors"])
