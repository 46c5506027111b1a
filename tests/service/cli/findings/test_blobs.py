"""What the doctor finds of an object store."""

from collections.abc import Iterator

import pytest

from service.blobs.cache import Cache
from service.blobs.objects import ObjectStore
from service.cli.findings.blobs import blobs
from service.cli.findings.finding import Level
from tests.fakes.objects import BUCKET, SECRET, ObjectServer
from tests.service.cli.conftest import Command

URL = f"s3://{BUCKET}/looked-at"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    one = ObjectServer()
    one.use(monkeypatch)
    yield one
    one.close()


def test_a_store_is_written_read_and_cleaned(
    metaopt: Command,
    server: ObjectServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    assert list(blobs()) == []
    monkeypatch.setenv("METAOPT_BLOBS_URL", URL)
    (finding,) = blobs()
    assert finding.level == Level.OK and URL in finding.text
    store = ObjectStore(URL, Cache(tmp_path_factory.mktemp("copies"), 0))
    assert store.keys("doctor") == set()
    store.close()
    server.close()
    (finding,) = blobs()
    assert finding.level == Level.FAIL and URL in finding.text
    assert "METAOPT_BLOBS_URL" in finding.remedy and SECRET not in finding.text
    server.start()


@pytest.mark.parametrize("url", ["file:///tmp", "s3://key:secret@bucket", "s3://", "/mnt/blobs"])
def test_what_is_no_object_store_is_a_wrong_setting(
    metaopt: Command, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("METAOPT_BLOBS_URL", url)
    said = metaopt("doctor")
    assert said.code == 2 and "must be s3://BUCKET" in said.out
    assert "secret" not in said.out + said.err
