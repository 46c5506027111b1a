"""Disks that are full, read-only or away for seconds; for a minute each in `make chaos-night`."""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.outages.disks import MEGABYTES, outages_of_disks
from tests.fakes.clusters import cluster
from tests.fakes.disks import small_disk
from tests.fakes.servers import ApiProcess
from tests.fakes.specs import SPEC

pytestmark = [pytest.mark.slow, pytest.mark.disks]

STUDIES = "/api/v1/studies"


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder outside of pytest's own, below which others may have a server."""
    with tempfile.TemporaryDirectory(prefix="metaopt-disks-") as name:
        yield Path(name)


@pytest.mark.parametrize(
    "kind",
    ["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.night])],
)
def test_disks_that_fail_lose_nothing_and_cost_no_trial_anything(kind: str, place: Path) -> None:
    with outages_of_disks(kind, place, 3.0) as run:
        outcome = run.run()
    assert outcome.violations == [], json.dumps(run.to_json())
    assert run.figures.faults == 4


@pytest.mark.postgres
def test_a_full_disk_of_postgres_is_told_and_read_on_and_written_once_it_has_room(
    place: Path,
) -> None:
    with (
        small_disk(place / "database", MEGABYTES["postgresql"]) as disk,
        cluster(disk.place / "cluster") as postgres,
    ):
        api = ApiProcess(postgres.url, place / "data")
        try:
            disk.fill()
            codes = [api.send("POST", STUDIES, json=SPEC).status for _ in range(40)]
            assert set(codes) <= {202, 507, 503} and 507 in codes
            assert api.send("GET", STUDIES).status == 200
            disk.free()
            postgres.start_if_ended()
            assert api.send("POST", STUDIES, json=SPEC).status == 202
            assert len(api.send("GET", STUDIES).body["items"]) == codes.count(202) + 1
        finally:
            api.kill()
        postgres.check()
