"""`client.datasets` against a real server: what is there already is never sent twice."""

import hashlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from sqlalchemy import URL

from metaopt.data.packing import Packing
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.errors import InvalidData
from service.client.client import Client
from service.client.datasets import manifest_of
from service.client.errors import ServerRefused
from service.settings import Settings
from tests.fakes.installations import python_without_server
from tests.fakes.pictures import animals, write_files
from tests.service.client.test_client import serving
from tests.waiting import wait_until


class Counted(httpx2.HTTPTransport):
    """The way to the server, with what went over it; it breaks at the calls of `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[str] = []
        self.broken: set[int] = set()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent.append(request.method)
        if len(self.sent) in self.broken:
            next(iter(request.stream))  # type: ignore[call-overload]
            raise httpx2.WriteError("the way breaks")
        return super().handle_request(request)


@pytest.fixture
def url(tmp_path: Path, make_tables: Callable[[URL], None]) -> Iterator[str]:
    settings = Settings(data_directory=tmp_path / "server", upload_bytes=10_000)
    make_tables(settings.url())
    with serving(settings) as url:
        yield url


@pytest.fixture
def way() -> Counted:
    return Counted()


@pytest.fixture
def client(url: str, way: Counted) -> Iterator[Client]:
    with Client(url, transport=way) as client:
        yield client


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return write_files(tmp_path / "animals", animals())


def test_a_path_is_packed_and_sent_once(client: Client, way: Counted, pictures: Path) -> None:
    packed = read(pictures)[1]
    added = client.datasets.add(pictures, "animals")
    assert added.digest == f"sha256:{packed.manifest.digest}" and added.names == ["animals"]
    assert way.sent == ["POST", "PUT", "POST"]
    way.sent.clear()
    assert client.datasets.add(packed, "zoo").names == ["animals", "zoo"]
    assert client.datasets.add(pictures, packing=Packing(licence="MIT")).names == []
    assert way.sent == ["POST", "POST"]  # another manifest, the same arrays
    assert [row.names for row in client.datasets.all().items] == [["animals", "zoo"], []]
    assert manifest_of(client.datasets.show("zoo")) == packed.manifest
    assert client.datasets.remove("zoo").names == ["animals"]


def test_all_are_all_pages(
    client: Client, way: Counted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DataStore(tmp_path / "server" / "datasets")
    for number in range(3):
        (tmp_path / "t.csv").write_text(f"class,x\na,1\nb,{number}\n")
        store.add(read(tmp_path / "t.csv")[1], f"t{number}")
    monkeypatch.setattr("service.client.datasets.PAGE_LIMIT", 1)
    assert [row.names for row in client.datasets.all().items] == [["t0"], ["t1"], ["t2"]]
    assert way.sent == ["GET"] * 3


def test_a_transfer_that_breaks_begins_again(
    client: Client, way: Counted, pictures: Path, tmp_path: Path
) -> None:
    way.broken = {2, 3}
    assert client.datasets.add(pictures, "animals").names == ["animals"]
    assert way.sent == ["POST", "PUT", "PUT", "PUT", "POST"]
    assert DataStore(tmp_path / "server" / "datasets").load("animals").manifest.examples == 6


def test_what_is_downloaded_is_what_was_packed(
    client: Client, pictures: Path, tmp_path: Path
) -> None:
    digest = client.datasets.add(pictures, "animals").digest
    folder = client.datasets.download("animals", tmp_path / "out")
    assert f"sha256:{read(folder)[1].manifest.digest}" == digest
    assert client.datasets.add(folder, "again").digest == digest
    with pytest.raises(InvalidData, match="not an empty folder"):
        client.datasets.download("animals", folder)
    with pytest.raises(ServerRefused, match="there is no data set"):
        client.datasets.download("birds", tmp_path / "birds")


def test_what_the_server_does_not_take_is_not_sent(
    client: Client, way: Counted, tmp_path: Path
) -> None:
    rows = "\n".join(f"{i % 2},{i}" for i in range(3000))
    (tmp_path / "t.csv").write_text(f"class,x\n{rows}\n")
    with pytest.raises(ServerRefused, match="METAOPT_UPLOAD_BYTES") as refused:
        client.datasets.add(tmp_path / "t.csv", "t")
    assert refused.value.problem.status == 413 and way.sent == ["POST"]


def test_a_folder_whose_files_do_not_fit_is_refused(
    client: Client, pictures: Path, tmp_path: Path
) -> None:
    store = DataStore(tmp_path / "store")
    store.add(read(pictures)[1], "animals")
    folder = store.export("animals", tmp_path / "out")
    (folder / "arrays.safetensors").write_bytes(b"somebody else's")
    with pytest.raises(ServerRefused, match="what came has 15 bytes and SHA-256"):
        client.datasets.add(folder, "animals")
    (folder / "manifest.json").write_text("{}")
    with pytest.raises(InvalidData, match="is no manifest of a data set"):
        client.datasets.add(folder, "animals")
    assert client.datasets.all().items == []


def test_a_client_alone_sends_what_is_packed(url: str, pictures: Path, tmp_path: Path) -> None:
    store = DataStore(tmp_path / "store")
    digest = store.add(read(pictures)[1], "animals")
    folder = store.export("animals", tmp_path / "out")
    program = f"""
from service.client.client import Client
with Client({url!r}) as client:
    print(client.datasets.add({str(folder)!r}, "animals").digest)
    client.datasets.download("animals", {str(tmp_path / "back")!r})
    print(client.datasets.all().items[0].names)
"""
    root = str(Path(__file__).parents[3])
    done = python_without_server(program, environment={**os.environ, "PYTHONPATH": root})
    assert done.stdout.splitlines() == [f"sha256:{digest}", "['animals']"], done.stderr
    assert read(tmp_path / "back")[1].manifest.digest == digest


def test_a_connection_that_breaks_leaves_nothing_and_the_next_try_goes_through(
    client: Client, url: str, pictures: Path, tmp_path: Path
) -> None:
    incoming = DataStore(tmp_path / "server" / "datasets").incoming.directory
    content = b"x" * 4000
    digest = hashlib.sha256(content).hexdigest()
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        head = f"PUT /api/v1/datasets/blobs/{digest} HTTP/1.1\r\nHost: {place.netloc}\r\n"
        connection.sendall(f"{head}Content-Length: 4000\r\n\r\n".encode() + content[:2000])
        wait_until(lambda: incoming.is_dir() and any(incoming.iterdir()), 20, what="the transfer")
    wait_until(lambda: not any(incoming.iterdir()), 20, what="its end")
    assert client.datasets.add(pictures, "animals").names == ["animals"]
    assert json.loads(httpx2.get(f"{url}/api/v1/datasets").text)["damaged"] == []
