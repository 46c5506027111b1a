"""Whatever is sent: no server error, and every answer is as the document says."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis.strategies import booleans
from schemathesis import GenerationMode, checks
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
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

CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
EXAMPLES = hypothesis_settings(
    max_examples=examples(15),
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    database=None,
)
SUBMIT = "POST /api/v1/studies"
SHOW = "GET /api/v1/studies/{study_id}"  # its only parameter, wait, is taken out
LEFT_OUT = ("/readyz", "/events")  # 503 without a dispatcher; a stream has its own tests


STUDY_ID = "a" * 32
SCHEDULE_ID = "b" * 32


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


def operations(app: FastAPI) -> list[Any]:
    document = schemathesis.openapi.from_asgi("/openapi.json", app)
    found = [operation.ok() for operation in document.get_all_operations()]
    return [operation for operation in found if not operation.path.endswith(LEFT_OUT)]


def try_out(operation: Any, mode: GenerationMode, client: TestClient) -> Counter[int]:
    """Send generated requests; return how often each status came back."""
    statuses: Counter[int] = Counter()

    @EXAMPLES
    @given(case=operation.as_strategy(generation_mode=mode), real=booleans())
    def send(case: schemathesis.Case, real: bool) -> None:
        case.query.pop("wait", None)  # it would be waited for
        if real and "study_id" in case.path_parameters:
            case.path_parameters["study_id"] = STUDY_ID
        if real and "name" in case.path_parameters:
            case.path_parameters["name"] = "main"
            case.query.pop("version", None)
        if real and case.method != "DELETE" and "schedule_id" in case.path_parameters:
            case.path_parameters["schedule_id"] = SCHEDULE_ID
        if real and case.method != "DELETE" and "reference" in case.path_parameters:
            case.path_parameters["reference"] = "animals"
        if real and mode is GenerationMode.POSITIVE and "trial_number" in case.path_parameters:
            case.path_parameters["trial_number"] = 0
        if real and mode is GenerationMode.POSITIVE and "branch" in case.query:
            case.query["branch"] = "maml"
        response = case.call(session=client)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    send()
    return statuses


@pytest.mark.hypothesis
@pytest.mark.usefixtures("studied")
def test_no_request_of_the_documents_own_breaks_it(app: FastAPI, client: TestClient) -> None:
    statuses = {
        operation.label: try_out(operation, GenerationMode.POSITIVE, client)
        for operation in operations(app)
    }
    reading = [label for label in statuses if label.startswith("GET")]
    assert len(reading) >= 7
    assert [label for label in reading if statuses[label][200] == 0] == []


@pytest.mark.hypothesis
@pytest.mark.usefixtures("studied")
def test_no_request_against_the_document_is_a_server_error(
    app: FastAPI, client: TestClient
) -> None:
    tried = [operation for operation in operations(app) if operation.query or operation.body]
    refused = {
        operation.label: try_out(operation, GenerationMode.NEGATIVE, client)[422]
        for operation in tried
    }
    assert len(refused) >= 4
    assert [label for label, count in refused.items() if count == 0] in ([], [SHOW])


def test_the_answer_to_a_good_spec_is_as_the_document_says(
    app: FastAPI, client: TestClient
) -> None:
    [submit] = [operation for operation in operations(app) if operation.label == SUBMIT]
    case = submit.Case(body=SPEC, media_type="application/json")
    response = case.call(session=client)
    assert response.status_code == 202
    case.validate_response(response, checks=CHECKS)
