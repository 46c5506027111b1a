"""Data sets over HTTP: what comes is checked as if it were packed here, and whole or not at all."""

import errno
import hashlib
import json
import os
import shutil
import weakref
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from metaopt.data import arrays as files
from metaopt.data.manifest import Manifest
from metaopt.data.pack import Packed
from metaopt.data.reading import read
from metaopt.data.store import DataStore
from metaopt.data.whole import locked
from service.app import create_app
from service.settings import Settings
from tests.fakes.local import local_client
from tests.fakes.pictures import animals, write_files
from tests.fakes.specs import TINY
from tests.fakes.traps import TRAPS
from tests.service.api.test_studies import assert_problem

URL = "/api/v1/datasets"
NAMES = "ant bee cat dog eel fox gnu hen ibex jay kid"
ZERO = "0" * 64


class Sent(NamedTuple):
    """A data set as it goes over the wire."""

    packed: Packed
    body: dict[str, Any]
    arrays: bytes

    @property
    def blob(self) -> str:
        return f"{URL}/blobs/{self.packed.manifest.arrays}"


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Sent:
    folder = write_files(tmp_path_factory.mktemp("animals"), animals(NAMES, each=4))
    packed = read(folder)[1]
    body = {"name": "animals", "manifest": json.loads(packed.manifest.to_json())}
    return Sent(packed, body, b"".join(files.pieces(packed.arrays)))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # but for one test nothing here depends on the kind of database


@pytest.fixture
def store(settings: Settings) -> DataStore:
    return DataStore(settings.data_sets())


def there(store: DataStore) -> list[str]:
    return sorted(path.name for path in store.directory.rglob("[!.]*") if path.is_file())


def add(client: TestClient, sent: Sent) -> str:
    assert client.put(sent.blob, content=sent.arrays).status_code == 200
    response = client.post(URL, json=sent.body)
    assert response.status_code == 201, response.text
    return str(response.json()["digest"])


def test_what_was_sent_is_there_and_is_not_sent_again(
    client: TestClient, sent: Sent, store: DataStore
) -> None:
    problem = assert_problem(client.post(URL, json=sent.body), 409, "dataset-incomplete")
    assert sent.packed.manifest.arrays in problem["detail"]
    digest = add(client, sent)
    assert digest == f"sha256:{sent.packed.manifest.digest}"
    assert store.load("animals").manifest == sent.packed.manifest
    assert client.put(sent.blob, content=b"never read").json() == {
        "sha256": sent.packed.manifest.arrays
    }
    again = client.post(URL, json={"manifest": sent.body["manifest"]})
    assert again.status_code == 201 and again.headers["location"] == f"{URL}/{digest}"
    files = [sent.packed.manifest.arrays + ".safetensors", f"{digest[7:]}.json", "animals"]
    assert there(store) == sorted(files)


def test_nothing_is_changed_without_a_row_in_the_audit_log(
    app: FastAPI, client: TestClient, sent: Sent, store: DataStore
) -> None:
    refusing = True

    def refuse(_c: object, _k: object, statement: str, *_: object) -> None:
        if refusing and "INSERT INTO mo_audit" in statement:
            raise OperationalError(statement, {}, Exception("gone"))

    event.listen(app.state.context.engine, "before_cursor_execute", refuse)
    for step in (
        lambda: client.put(sent.blob, content=sent.arrays),
        lambda: client.post(URL, json=sent.body),
        lambda: client.delete(f"{URL}/animals"),
    ):
        before, refusing = there(store), True
        assert step().status_code == 503
        assert there(store) == before
        refusing = False
        assert step().status_code in (200, 201)
        assert there(store) != before
    rows = client.get("/api/v1/audit").json()["items"]
    digest = f"sha256:{sent.packed.manifest.digest}"
    assert [(row["action"].split()[0], row["changed"]) for row in rows] == [
        ("DELETE", {"digest": digest, "names": []}),
        ("POST", {"digest": digest, "names": ["animals"]}),
        ("PUT", None),
    ]


def test_what_is_there_is_listed_shown_and_sent_back(client: TestClient, sent: Sent) -> None:
    digest = add(client, sent)
    (row,) = client.get(URL).json()["items"]
    assert row == {
        "digest": digest, "names": ["animals"], "kind": "images", "target": "class",
        "input_shape": [1, 4, 3], "outputs": 0, "groups": 11, "examples": 44, "splits": {},
        "size_bytes": len(sent.arrays), "licence": None,
    }  # fmt: skip
    for reference in ("animals", digest, digest.removeprefix("sha256:")):
        shown = client.get(f"{URL}/{reference}").json()
        own = {"digest": digest, "names": ["animals"], "size_bytes": len(sent.arrays)}
        assert shown == {**json.loads(sent.packed.manifest.to_json()), **own}
        blob = client.get(f"{URL}/{reference}/blob")
        assert blob.content == sent.arrays
        assert blob.headers["etag"] == f'"{sent.packed.manifest.arrays}"'
    part = client.get(f"{URL}/animals/blob", headers={"Range": "bytes=10-19"})
    assert part.status_code == 206 and part.content == sent.arrays[10:20]
    for gone in (f"{URL}/animasl", f"{URL}/sha256:{ZERO}", f"{URL}/..%2Fnames/blob"):
        assert client.get(gone).status_code == 404
    problem = assert_problem(client.get(f"{URL}/animasl"), 404, "dataset-not-found")
    assert "did you mean animals?" in problem["detail"]


def test_a_damaged_one_is_named_beside_the_others(
    client: TestClient, sent: Sent, store: DataStore
) -> None:
    digest = add(client, sent).removeprefix("sha256:")
    (store.directory / f"{digest}.json").write_text("{}")
    listed = client.get(URL).json()
    assert listed["items"] == [] and listed["damaged"][0]["names"] == ["animals"]
    assert str(store.directory) not in json.dumps(listed)
    assert_problem(client.get(f"{URL}/animals"), 500, "dataset-damaged")
    add(client, sent)
    store.arrays_of(sent.packed.manifest).unlink()
    assert_problem(client.get(f"{URL}/animals/blob"), 500, "dataset-damaged")
    assert client.delete(f"{URL}/sha256:{digest}").json()["names"] == []
    assert client.get(URL).json() == {"items": [], "damaged": [], "next_cursor": None}


@pytest.fixture
def several(store: DataStore, tmp_path: Path) -> list[list[str]]:
    """Return the names of seven data sets, in the order of a list; the fourth is damaged."""
    for number, name in enumerate(["b", "a", "d", "c", "e", None, None]):
        (tmp_path / "t.csv").write_text(f"class,x\na,1\nb,{number}\n")
        digest = store.add(read(tmp_path / "t.csv")[1], name)
        if name == "d":
            (store.directory / f"{digest}.json").write_text("{}")
    return [["a"], ["b"], ["c"], ["d"], ["e"], [], []]


def pages_of(client: TestClient, limit: int) -> list[dict[str, Any]]:
    pages, url = [], f"{URL}?limit={limit}"
    while url:
        response = client.get(url)
        assert response.status_code == 200, response.text
        pages.append(response.json())
        url = response.links["next"]["url"] if "next" in response.links else ""
        assert bool(url) == (pages[-1]["next_cursor"] is not None)
    return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 500])
def test_pages_together_are_the_whole_list(
    client: TestClient, several: list[list[str]], limit: int
) -> None:
    pages = pages_of(client, limit)
    sizes = [len(page["items"]) + len(page["damaged"]) for page in pages]
    assert sum(sizes) == 7 and set(sizes[:-1]) <= {limit} and sizes[-1] <= limit
    names = [row["names"] for page in pages for row in page["items"]]
    assert names == [name for name in several if name != ["d"]]
    assert [one["names"] for page in pages for one in page["damaged"]] == [["d"]]
    whole = client.get(URL).json()
    assert whole["items"] == [row for page in pages for row in page["items"]]


def test_a_page_goes_on_behind_what_was_removed(
    client: TestClient, several: list[list[str]]
) -> None:
    cursor = client.get(URL, params={"limit": 2}).json()["next_cursor"]
    client.delete(f"{URL}/b")
    behind = client.get(URL, params={"cursor": cursor}).json()
    assert [row["names"] for row in behind["items"]] == [["c"], ["e"], [], []] and several


def test_a_page_ends_behind_large_manifests_and_holds_one_at_a_time(
    client: TestClient, several: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[Manifest]] = []
    most, read_json = 0, Manifest.from_json

    def counted(text: str) -> Manifest:
        nonlocal most
        manifest = read_json(text)
        made.append(weakref.ref(manifest))
        most = max(most, sum(one() is not None for one in made))
        return manifest

    monkeypatch.setattr(Manifest, "from_json", staticmethod(counted))
    assert len(client.get(URL).json()["items"]) == len(several) - 1
    assert most <= 2
    monkeypatch.setattr("service.operations.datasets.MOST_READ_BYTES", 1)
    assert len(pages_of(client, 500)) == 7


@pytest.mark.parametrize("cursor", ["x", "e30", "WyIuLi94IiwiMDAiXQ", "WzFd", "é", "a" * 201])
def test_a_cursor_that_is_none_is_refused(client: TestClient, cursor: str) -> None:
    response = client.get(URL, params={"cursor": cursor})
    assert response.status_code == 422
    assert response.json()["code"] in ("invalid-cursor", "invalid-request")


def test_a_name_that_is_taken_is_told_and_a_data_set_needs_none(
    client: TestClient, sent: Sent, tmp_path: Path
) -> None:
    add(client, sent)
    (tmp_path / "t.csv").write_text("class,x\na,1\nb,2\n")
    table = read(tmp_path / "t.csv")[1]
    body = {"name": "animals", "manifest": json.loads(table.manifest.to_json())}
    arrays = b"".join(files.pieces(table.arrays))
    client.put(f"{URL}/blobs/{table.manifest.arrays}", content=arrays)
    problem = assert_problem(client.post(URL, json=body), 409, "dataset-exists")
    assert "the name 'animals' means sha256:" in problem["detail"]
    added = client.post(URL, json={**body, "name": None})
    assert added.status_code == 201 and added.json()["names"] == []


@pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
class TestInUse:
    """Both kinds of databases are asked who names a data set."""

    @pytest.fixture
    def database_url(self, request: pytest.FixtureRequest) -> str:
        return str(request.getfixturevalue(f"{request.param}_url"))

    def test_what_a_study_or_a_schedule_needs_stays(self, client: TestClient, sent: Sent) -> None:
        digest = add(client, sent)
        tasks = {"kind": "dataset", "dataset": "animals", "n_way": 2, "k_shot": 1, "q_query": 2}
        spec = {**TINY, "tasks": tasks}
        study = client.post("/api/v1/studies", json=spec).json()
        assert study["spec"]["tasks"]["dataset"] == digest
        nightly = {"name": "nightly", "cron": "0 2 * * *", "spec": spec}
        schedule = client.post("/api/v1/schedules", json=nightly).json()
        for reference in ("animals", digest):
            problem = assert_problem(client.delete(f"{URL}/{reference}"), 409, "dataset-in-use")
            for named in (study["study_id"], "queued", "schedule nightly"):
                assert named in problem["detail"]
        client.post(URL, json={**sent.body, "name": "zoo"})
        assert client.delete(f"{URL}/zoo").json() == {"digest": digest, "names": ["animals"]}
        client.post(f"/api/v1/studies/{study['study_id']}:cancel")
        assert client.delete(f"{URL}/animals").status_code == 409
        client.delete(f"/api/v1/schedules/{schedule['schedule_id']}")
        assert client.delete(f"{URL}/animals").json() == {"digest": digest, "names": []}
        assert_problem(client.delete(f"{URL}/animals"), 404, "dataset-not-found")
        assert_problem(client.post("/api/v1/studies", json=spec), 422, "invalid-spec")


def test_a_key_that_was_used_is_answered_also_once_the_data_are_gone(
    client: TestClient, sent: Sent
) -> None:
    add(client, sent)
    tasks = {"kind": "dataset", "dataset": "animals", "n_way": 2, "k_shot": 1, "q_query": 2}
    spec, key = {**TINY, "tasks": tasks}, {"Idempotency-Key": "k"}
    first = client.post("/api/v1/studies", json=spec, headers=key).json()["study_id"]
    client.post(f"/api/v1/studies/{first}:cancel")
    client.delete(f"{URL}/animals")
    assert client.post("/api/v1/studies", json=spec, headers=key).json()["study_id"] == first


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"arrays": "../../../etc/passwd"}, "manifest.arrays"),
        ({"arrays": None}, "manifest.arrays"),
        ({"input_shape": [1, 4, 10**30]}, "manifest.input_shape"),
        ({"input_shape": []}, "manifest.input_shape"),
        ({"groups": [[]]}, "manifest.groups[0]"),
        ({"groups": {}}, "manifest.groups"),
        ({"groups": [{"name": "a", "examples": 1e9}] * 2}, "manifest.groups[0].examples"),
        ({"packing": {"a": {"b": [[]]}}}, "manifest.packing"),
        ({"licence": "\ud800"}, "manifest.licence"),
        ({"notices": [None]}, "manifest.notices"),
        ({"version": 2}, "manifest.version"),
        ({"__class__": "os.system"}, "manifest.__class__"),
    ],
)
def test_a_hostile_manifest_is_refused_with_its_field(
    client: TestClient, sent: Sent, store: DataStore, change: dict[str, Any], field: str
) -> None:
    body = {"name": "x", "manifest": {**sent.body["manifest"], **change}}
    response = client.post(URL, content=json.dumps(body))
    problem = assert_problem(response, 422, "invalid-dataset")
    assert problem["errors"][0]["field"] == field and problem["errors"][0]["message"]
    assert not store.directory.exists()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\xff\xfe", b"{", b"[" * 100_000, b"7", b"null", b'{"manifest": NaN}',
        b'{"manifest": ' + b"9" * 10_000 + b"}", b'{"manifest": {}, "nme": 1}', b'{"name": "a"}',
    ],
)  # fmt: skip
def test_a_body_that_is_no_data_set_is_refused(client: TestClient, body: bytes) -> None:
    problem = assert_problem(client.post(URL, content=body), 422, "invalid-dataset")
    assert problem["errors"]


@pytest.mark.parametrize("body", TRAPS)
def test_no_body_is_a_server_error_and_each_is_refused_as_a_study_s_is(
    client: TestClient, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    problem = assert_problem(
        client.post(URL, content=body, headers=headers), 422, "invalid-dataset"
    )
    of_study = client.post("/api/v1/studies", content=body, headers=headers).json()
    rules = [[one["message"] for one in said["errors"]] for said in (problem, of_study)]
    assert rules[0] == rules[1]


def test_what_breaks_a_rule_deep_in_a_manifest_is_told_by_its_path(
    client: TestClient, sent: Sent
) -> None:
    text = json.dumps(sent.body)
    for old, new, field in (
        ('"name": "bee"', '"name": "bee", "name": "cow"', "manifest.groups[1].name"),
        ('"name": "cat"', '"name": "cat\\u0000"', "manifest.groups[2].name"),
        ('"outputs": 0', '"outputs": 1e999', "manifest.outputs"),
    ):
        assert old in text
        response = client.post(URL, content=text.replace(old, new))
        problem = assert_problem(response, 422, "invalid-dataset")
        assert [one["field"] for one in problem["errors"]] == [field]


def test_more_values_than_a_manifest_may_have_are_none_of_them_made(client: TestClient) -> None:
    response = client.post(URL, content=b"[" + b"0," * 2_000_001 + b"0]")
    problem = assert_problem(response, 422, "invalid-dataset")
    assert problem["errors"] == [{"field": "dataset", "message": "has more than 2000000 values"}]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/yaml"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_types_of_body_are_refused(client: TestClient, headers: dict[str, str]) -> None:
    assert_problem(client.post(URL, content=b"{}", headers=headers), 415, "unsupported-media-type")


@pytest.mark.parametrize("name", ["../x", "", "A", ZERO, "sha256:" + ZERO, "a\0", 7, ["a"]])
def test_a_name_is_a_name(client: TestClient, sent: Sent, name: Any) -> None:
    response = client.post(URL, json={**sent.body, "name": name})
    assert assert_problem(response, 422, "invalid-dataset")["errors"][0]["field"] == "name"


def test_arrays_of_another_digest_or_another_manifest_are_refused(
    client: TestClient, sent: Sent, store: DataStore
) -> None:
    for content in (sent.arrays[:-1], b"", sent.arrays + b"\0"):
        response = client.put(sent.blob, content=content)
        problem = assert_problem(response, 422, "invalid-dataset")
        assert "SHA-256" in problem["detail"]
    assert client.put(f"{URL}/blobs/..%2F..%2Fx", content=b"").status_code in (404, 405, 422)
    assert_problem(client.put(f"{URL}/blobs/{ZERO}x", content=b""), 422, "invalid-request")
    assert there(store) == []
    client.put(sent.blob, content=sent.arrays)
    manifest = {**sent.body["manifest"], "input_shape": [1, 3, 4]}
    response = client.post(URL, json={"manifest": manifest})
    problem = assert_problem(response, 422, "invalid-dataset")
    assert problem["errors"][0]["field"] == "arrays"
    assert client.get(URL).json()["items"] == []


@pytest.fixture
def small(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """Return a client of a server that takes a hundred bytes."""
    app = create_app(settings.model_copy(update={"upload_bytes": 100}))
    with local_client(app, raise_server_exceptions=False) as client:
        yield client


def test_what_is_too_large_is_refused_before_it_is_sent_and_while_it_comes(
    small: TestClient, sent: Sent, store: DataStore
) -> None:
    problem = assert_problem(small.post(URL, json=sent.body), 413, "body-too-large")
    assert "METAOPT_UPLOAD_BYTES" in problem["detail"]
    large = bytes(5000)
    assert_problem(small.put(sent.blob, content=large), 413, "body-too-large")
    pieces = (large[i : i + 1000] for i in range(0, 5000, 1000))  # nothing is announced
    assert_problem(small.put(sent.blob, content=pieces), 413, "body-too-large")
    response = small.put(sent.blob, content=large, headers={"Content-Encoding": "gzip"})
    assert_problem(response, 415, "unsupported-media-type")
    response = small.post(URL, content=b" " * (2**25 + 1))
    assert_problem(response, 413, "body-too-large")
    assert there(store) == []
    store.add(sent.packed, "animals")  # on its machine, without a limit
    assert small.post(URL, json=sent.body).status_code == 201


def test_a_disk_that_is_full_is_said_and_nothing_is_kept(
    client: TestClient, sent: Sent, store: DataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert_problem(client.put(sent.blob, content=sent.arrays), 507, "storage-full")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 8, 1))
        assert_problem(client.put(sent.blob, content=sent.arrays), 507, "storage-full")
    assert there(store) == []
    client.put(sent.blob, content=sent.arrays)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert_problem(client.post(URL, json=sent.body), 507, "storage-full")
    assert client.get(URL).json()["items"] == []
    assert client.post(URL, json=sent.body).status_code == 201


@pytest.fixture
def narrow(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """Return a client of a server that keeps 3 MB of arrays that nobody took."""
    app = create_app(settings.model_copy(update={"upload_waiting_bytes": 3_000_000}))
    with local_client(app, raise_server_exceptions=False) as client:
        yield client


def put(client: TestClient, content: bytes) -> Any:
    return client.put(f"{URL}/blobs/{hashlib.sha256(content).hexdigest()}", content=content)


def test_arrays_that_nobody_takes_have_a_bound_together(
    narrow: TestClient, sent: Sent, store: DataStore
) -> None:
    assert put(narrow, b"a" * 1_500_000).status_code == 200
    problem = assert_problem(put(narrow, b"b" * 1_600_000), 507, "storage-full")
    assert (
        "METAOPT_UPLOAD_WAITING_BYTES" in problem["detail"] and "add the data" in problem["detail"]
    )
    unannounced = narrow.put(f"{URL}/blobs/{ZERO}", content=iter([b"c"]))
    assert_problem(unannounced, 507, "storage-full")  # it might be as large as any
    assert len(there(store)) == 1
    for _ in range(2):  # what a data set takes is let go
        add(narrow, sent)
    assert put(narrow, b"d").status_code == 200
    assert_problem(put(narrow, b"e"), 507, "storage-full")  # however small they are


def test_a_transfer_counts_from_its_beginning_with_what_it_may_become(
    narrow: TestClient, store: DataStore
) -> None:
    now = datetime.now(UTC)
    with closing(store.incoming.begin(ZERO, now, 2_500_000)):
        assert_problem(put(narrow, b"b" * 600_000), 507, "storage-full")
    assert put(narrow, b"b" * 600_000).status_code == 200


def test_what_is_sent_leaves_some_of_the_disk_free(
    client: TestClient, sent: Sent, store: DataStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [2**30 + len(sent.arrays)]
    usage = lambda _: shutil._ntuple_diskusage(2**40, 0, free[0])  # noqa: E731
    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert client.put(sent.blob, content=sent.arrays).status_code == 200
    free[0] = 2**30 + 100
    problem = assert_problem(client.post(URL, json=sent.body), 507, "storage-full")
    assert "METAOPT_UPLOAD_FREE_BYTES" in problem["detail"] and "1.0 GiB" in problem["detail"]
    assert_problem(put(client, b"a" * 101), 507, "storage-full")
    pieces = iter([b"a" * 101])  # not announced: told while it comes
    assert_problem(client.put(f"{URL}/blobs/{ZERO}", content=pieces), 507, "storage-full")
    assert there(store) == [sent.packed.manifest.arrays]


def test_a_directory_that_cannot_be_used_is_said(
    client: TestClient, sent: Sent, store: DataStore
) -> None:
    store.directory.parent.mkdir(exist_ok=True)
    store.directory.write_text("a file")
    problem = assert_problem(client.put(sent.blob, content=sent.arrays), 503, "storage-unavailable")
    assert str(store.directory) not in problem["detail"]


def test_a_lock_that_somebody_keeps_is_said(
    client: TestClient, store: DataStore, sent: Sent
) -> None:
    add(client, sent)
    with locked(store.directory / ".staying"):
        refused = [client.post("/api/v1/studies", json=TINY), client.delete(f"{URL}/animals")]
    for response in refused:
        assert_problem(response, 503, "storage-unavailable")
        assert "another process has held its lock for 2 s" in response.json()["detail"]
    assert client.get("/api/v1/studies").json()["items"] == []
    assert client.delete(f"{URL}/animals").status_code == 200


def test_a_connection_that_breaks_leaves_nothing(
    app: FastAPI, sent: Sent, store: DataStore
) -> None:
    messages = [
        {"type": "http.request", "body": sent.arrays[:50], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    said: list[Any] = []

    async def send(message: Any) -> None:
        said.append(message)

    scope = {
        "type": "http", "method": "PUT", "path": sent.blob, "raw_path": sent.blob.encode(),
        "query_string": b"", "headers": [(b"host", b"localhost")], "root_path": "",
        "http_version": "1.1", "scheme": "http", "server": ("localhost", 80),
    }  # fmt: skip
    anyio.run(app, scope, receive, send)
    assert messages == [] and said[0]["status"] == 400
    assert json.loads(said[1]["body"])["code"] == "upload-cut"
    assert there(store) == []


def test_a_server_says_what_it_stored_as_the_manifest_said_it(
    client: TestClient, sent: Sent
) -> None:
    add(client, sent)
    shown = client.get(f"{URL}/animals").json()
    assert {k: shown[k] for k in ("kind", "packing", "licence")} == {
        k: asdict(sent.packed.manifest)[k] for k in ("kind", "packing", "licence")
    }
