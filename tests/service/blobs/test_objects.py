"""Blobs in an object store: copies on this machine, and a store that is away or another one."""

import errno
import hashlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.blobs.base import BlobsUnusable
from service.blobs.cache import Cache
from service.blobs.objects import ObjectStore
from tests.fakes.objects import BUCKET, SECRET, ObjectServer
from tests.waiting import wait_until


@pytest.fixture
def url(server: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    server.use(monkeypatch)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def writer(url: str, tmp_path: Path) -> Iterator[ObjectStore]:
    yield from opened(url, tmp_path / "of-writer")


@pytest.fixture
def reader(url: str, tmp_path: Path) -> Iterator[ObjectStore]:
    yield from opened(url, tmp_path / "of-reader")


def opened(url: str, copies: Path, most_bytes: int = 2**20) -> Iterator[ObjectStore]:
    store = ObjectStore(url, Cache(copies, most_bytes))
    yield store
    store.close()


def put(store: ObjectStore, key: str, content: bytes) -> str:
    written = store.workplace(key.partition("/")[0]) / uuid.uuid4().hex
    written.write_bytes(content)
    store.put({key: written})
    return hashlib.sha256(content).hexdigest()


def test_another_machine_reads_what_one_has_put_and_downloads_it_once(
    writer: ObjectStore, reader: ObjectStore, server: ObjectServer
) -> None:
    digest = put(writer, "s/one", b"weights")
    with reader.local({"s/one": digest}) as paths:
        assert paths["s/one"].read_bytes() == b"weights"
    server.freeze()
    try:
        for store in (writer, reader):  # both have a copy now, and ask nobody
            with store.local({"s/one": digest}) as paths:
                assert paths["s/one"].read_bytes() == b"weights"
    finally:
        server.thaw()


def test_a_copy_that_was_damaged_here_is_downloaded_again(writer: ObjectStore) -> None:
    digest = put(writer, "s/one", b"weights")
    with writer.local({"s/one": digest}) as paths:
        paths["s/one"].write_bytes(b"weighty")
    with writer.local({"s/one": digest}) as paths:
        assert paths["s/one"].read_bytes() == b"weights"


def test_what_was_damaged_there_is_given_as_it_is(writer: ObjectStore, reader: ObjectStore) -> None:
    digest = put(writer, "s/one", b"weights")
    writer.write("s/one", b"weighty")
    with reader.local({"s/one": digest}) as paths:
        assert paths["s/one"].read_bytes() == b"weighty"  # and its worker says so of its trial


def test_what_is_let_go_of_is_deleted_soon_and_all_of_a_study_with_it(
    writer: ObjectStore, reader: ObjectStore
) -> None:
    writer.adopt([])
    for name in ("s/one", "s/two", "t/one"):
        put(writer, name, name.encode())
    assert writer.fault() is None  # from now on it keeps house
    writer.delete("s/one")
    assert writer.keys("s") == {"s/two"}
    wait_until(lambda: reader.keys("s") == {"s/two"}, what="one object less")
    writer.delete_all("s")
    assert writer.keys("s") == set()
    wait_until(lambda: reader.keys("s") == set(), what="a prefix without objects")
    assert reader.keys("t") == {"t/one"}
    writer.delete("t/one")
    writer.close()
    assert reader.keys("t") == set()


def test_a_store_that_is_away_is_said_without_secrets_and_nobody_waits_for_it(
    server: ObjectServer, writer: ObjectStore, tmp_path: Path
) -> None:
    writer.adopt([])
    put(writer, "s/one", b"1")
    assert writer.fault() is None
    server.freeze()
    try:
        writer.delete("s/one")
        wait_until(lambda: writer.fault() is not None, what="a store that is away")
        told = str(writer.fault())
        assert writer.where in told and "cannot be used" in told and "\n" not in told
        with pytest.raises(OSError, match="s3://") as failed:
            writer.keys("s")
        assert failed.value.errno == errno.ENODEV
        assert SECRET not in told + str(failed.value)
    finally:
        server.thaw()
    wait_until(lambda: writer.fault() is None, what="a store that is back")
    wait_until(lambda: writer.keys("s") == set(), what="what was to be deleted")


def test_an_address_that_nobody_answers_at_is_a_store_that_is_away(
    monkeypatch: pytest.MonkeyPatch, url: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for store in opened(url, tmp_path):
        assert "cannot be used" in str(store.fault())
        with pytest.raises(OSError, match="127.0.0.1:9"):
            store.read("s/one")


def test_a_key_that_is_refused_is_a_store_that_is_away(
    monkeypatch: pytest.MonkeyPatch, url: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:9")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for store in opened(url, tmp_path):
        with pytest.raises(OSError, match="s3://") as refused:
            store.keys("s")
        assert "wrong" not in str(refused.value)


def test_a_url_that_names_no_bucket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BlobsUnusable, match="cannot be used"):
        ObjectStore("s3://", Cache(tmp_path, 0))
