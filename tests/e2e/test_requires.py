"""A real dispatcher with labels: it trains what asks for them, and says what asks for others."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from service.db.engine import reading
from service.operations.lookup import show_study
from service.operations.preview import preview_study
from tests.fakes.processes import DispatcherProcess
from tests.fakes.running import wait_for
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
SHORT: dict[str, Any] = {
    "budget": {"trials": 2, "meta_iterations": 60},
    "pruning": {"kind": "none"},
    "branches": SMALL["branches"][:1],
    "verdict": {"finalists": 1, "seeds": 1, "compare": "none"},
}


def test_slots_say_what_they_are_and_studies_go_where_they_fit(
    engine: Engine, database_url: str, tmp_path: Path
) -> None:
    fits = small_spec(
        **SHORT, requires={"device": "cpu", "memory": "1 GiB", "labels": {"pool": "night"}}
    )
    no_slot = small_spec(**SHORT, requires={"device": "cuda", "labels": {"pool": "night"}})
    waits = submit(engine, no_slot)
    trains = submit(engine, fits)
    with reading(engine) as session:
        told = preview_study(session, fits)
    assert told.slots == [] and "metaopt dispatcher" in told.slots_from
    dispatcher = DispatcherProcess(
        database_url, tmp_path, METAOPT_LABELS="pool=night, room=7", METAOPT_COMPILE="never"
    )
    try:
        wait_for(engine, trains, "completed")
        wait_until(lambda: "study_lacks_slot" in dispatcher.log(), what="a line of the log")
        with reading(engine) as session:
            view = show_study(session, waits)
            assert view.status == "queued" and view.waits is not None
            assert view.waits.reason == "requires"
            assert "a slot with device cuda, which none has" in view.waits.sentence
            told = preview_study(session, fits)
            assert (
                told.slots == ["cpu:0"]
                and told.slots_from == "1 slot on CPU cores, labelled pool=night, room=7"
            )
            told = preview_study(session, no_slot)
            assert told.slots == [] and "device cuda" in told.slots_from
    finally:
        dispatcher.close()
