"""Whatever is sent: no server error, and every answer is as the document says."""

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from metaopt.data import arrays as files
from metaopt.data.pack import Packed
from metaopt.data.store import DataStore
from service.db.engine import transaction
from service.operations import schedules
from service.settings import Settings
from tests.fakes.packed import images
from tests.fakes.rows import (
    add_baseline,
    add_report,
    add_study,
    add_trial,
    add_winner,
    end_trial,
    finish_study,
)
from tests.fakes.schedules import NOON, new_schedule
from tests.fakes.specs import SPEC
from tests.properties import examples

if TYPE_CHECKING:
    from tests.fakes.documented import Documented

PER_OPERATION = examples(100) // 2  # each database gets others
SUBMIT = "POST /api/v1/studies"
STUDY_ID = "a" * 32
SCHEDULE_ID = "b" * 32
# There is no webhook, and nobody draws bytes with the digest that a path names.
NEVER_ACCEPTED = {"POST /api/v1/webhooks/{name}:test", "PUT /api/v1/datasets/blobs/{sha256}"}
# A manifest without a fault is drawn by night alone (and answered 409: its arrays are missing).
HARDLY_EVER_ACCEPTED = {"POST /api/v1/datasets"}
REAL = {
    "study_id": STUDY_ID,
    "schedule_id": SCHEDULE_ID,
    "name": "main",
    "reference": "animals",
    "trial_number": 0,
}


@pytest.fixture
def studied(engine: Engine, settings: Settings) -> None:
    """Write a completed study of a schedule with a report, so that answers have a body."""
    packed = images([2, 2])
    arrays = replace(packed.manifest, arrays=files.digest(packed.arrays))
    DataStore(settings.data_sets()).add(Packed(arrays, packed.arrays), "animals")
    new = new_schedule()
    with transaction(engine) as session:
        schedules.add_schedule(session, new, schedule_id=SCHEDULE_ID, now=NOON)
        study = add_study(session)
        trial = add_trial(session, 0)
        add_report(session, trial, 10, 0.5)
        end_trial(session, trial, "completed")
        finish_study(session, study, 0)
        add_baseline(session, weights_sha256=add_winner(session, study))


@pytest.fixture
def documented(studied: None, app: FastAPI, client: TestClient, engine: Engine) -> "Documented":
    from tests.fakes.documented import Documented  # each process of a run would load Schemathesis

    return Documented(app, client, REAL, seed=engine.dialect.name)


@pytest.mark.hypothesis
def test_every_answer_is_as_the_document_says(documented: "Documented") -> None:
    answers: dict[str, Counter[tuple[str, int]]] = {}
    removing = [one for one in documented.operations if one.label.startswith("DELETE")]
    others = [one for one in documented.operations if one not in removing]
    for operation in [*others, *removing]:  # what is there is removed at the end
        answers[operation.label] = documented.tried(operation, PER_OPERATION)
    assert len(answers) >= 48
    never = {
        label
        for label, found in answers.items()
        if not {status for _, status in found} & {200, 201, 202, 409}
    }
    assert never - HARDLY_EVER_ACCEPTED == NEVER_ACCEPTED
    refused = [label for label, found in answers.items() if found["negative", 422]]
    assert len(refused) >= 25, refused


def test_the_answer_to_a_good_spec_is_as_the_document_says(documented: "Documented") -> None:
    case = documented.case(SUBMIT, body=SPEC, media_type="application/json")
    assert documented.check(case) == 202
