"""The OpenAPI document, and the JSON Schema of docs/, as generators of code read them."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from metaopt.tasks.registry import TASKS
from tests.fakes.local import local_client
from tests.fakes.toys import PARABOLA

METHODS = {"get", "post", "put", "patch", "delete"}
PUBLISHED = Path(__file__).parents[3] / "docs" / "study-document.schema.json"
# Names of functions and modules in clients that were generated: none is renamed or reused.
OPERATION_IDS = """
add_dataset add_schedule cancel_study change_study check_health check_readiness export_table
find_study get_baseline get_baseline_weights get_dataset get_dataset_arrays get_history get_metrics
get_report get_report_page get_report_text get_result get_schedule get_study get_study_weights
get_timeline identify list_asks list_audit list_baseline_versions list_baselines list_datasets
list_deliveries list_plugins list_reports list_runs list_schedules list_studies list_trials
list_webhooks pause_schedule pause_study preview_study promote_baseline remove_dataset
remove_schedule resume_schedule resume_study roll_back_baseline run_schedule_now send_webhook_test
stream_events submit_study upload_arrays
""".split()


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    return sqlite_url  # nothing here depends on the kind of database


@pytest.fixture
def document(app: FastAPI) -> dict[str, Any]:
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path in document["paths"].values():
        yield from (path[method] for method in METHODS & set(path))


def titles(node: Any) -> Iterator[str]:
    """Yield every title of a schema, however deep; fields named so are none."""
    for below in node.values() if isinstance(node, dict) else node:
        if isinstance(below, dict | list):
            yield from titles(below)
    if isinstance(node, dict) and isinstance(node.get("title"), str):
        yield node["title"]


def references(node: Any) -> set[str]:
    text = json.dumps(node)
    return {part.partition('"')[0] for part in text.split("#/components/schemas/")[1:]}


def test_every_schema_has_a_title_of_its_own_and_no_field_has_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert len(schemas) > 70
    assert {name: schema["title"] for name, schema in schemas.items()} == {n: n for n in schemas}
    assert [name for name in schemas if not name.isidentifier() or "__" in name] == []
    assert Counter(titles([document["paths"], schemas])) == Counter(list(schemas))
    assert schemas["Problem"]["properties"]["title"] == {"type": "string"}  # a field, no title
    assert references(document) == set(schemas)


def test_a_kind_that_is_added_has_a_schema_of_its_own(app: FastAPI) -> None:
    with TASKS.including(PARABOLA):
        schemas = app.openapi()["components"]["schemas"]
    assert Counter(titles(schemas)) == Counter(list(schemas))
    kinds = schemas["StudySpec"]["properties"]["tasks"]["discriminator"]["mapping"]
    assert "parabola" in kinds and kinds["parabola"].rpartition("/")[2] in schemas


def test_the_published_schema_has_titles_of_its_own_too() -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert Counter(titles(published)) == Counter(["StudyDocument", *published["$defs"]])


def test_every_operation_has_a_name_that_stays(document: dict[str, Any]) -> None:
    assert sorted(one["operationId"] for one in operations(document)) == OPERATION_IDS


def test_every_operation_says_what_it_does_and_how_it_fails(document: dict[str, Any]) -> None:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operation in operations(document):
        assert len(operation["tags"]) == 1
        assert operation["summary"] and not operation["summary"].endswith(".")
        assert operation["summary"] != operation.get("description")
        assert {"4XX", "5XX"} < set(operation["responses"])
        for status, response in operation["responses"].items():
            assert response["description"]
            assert all(body["schema"] for body in response["content"].values())
            assert response["content"] == problem or status.startswith("2")


def test_a_status_is_one_type_wherever_it_stands(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    status = {"$ref": "#/components/schemas/StudyStatus"}
    assert schemas["StudyView"]["properties"]["status"] == status
    (asked,) = [
        one
        for one in document["paths"]["/api/v1/studies"]["get"]["parameters"]
        if one["name"] == "status"
    ]
    assert asked["schema"] == status
    assert "completed" in schemas["StudyStatus"]["enum"]


def test_parameters_are_never_null(document: dict[str, Any]) -> None:
    parameters = [
        one for operation in operations(document) for one in operation.get("parameters", [])
    ]
    assert len(parameters) > 50
    assert [one["name"] for one in parameters if '"null"' in json.dumps(one)] == []


def test_what_a_patch_leaves_out_has_no_default(document: dict[str, Any]) -> None:
    budget = document["components"]["schemas"]["BudgetChange"]["properties"]
    assert "trials" in budget and "meta_iterations" not in budget
    assert [name for name, rule in budget.items() if "default" in rule] == []


def test_objects_that_are_told_apart_by_kind_must_have_one(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    fields = schemas["StudySpec"]["properties"]
    mapped = [*references(fields["tasks"]), *references(fields["model"])]
    assert len(mapped) == 11
    assert [name for name in mapped if "kind" not in schemas[name]["required"]] == []


def test_keys_are_asked_for_everywhere_but_for_health(document: dict[str, Any]) -> None:
    assert document["security"] == [{}, {"bearer": []}, {"basic": []}]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "basic"}
    own = {one["operationId"]: one["security"] for one in operations(document) if "security" in one}
    assert own == {"check_health": []}


def test_a_server_behind_a_prefix_names_it_first(app: FastAPI) -> None:
    with local_client(app, root_path="/lab") as client:
        servers = client.get("/openapi.json").json()["servers"]
    assert servers == [{"url": "/lab"}, {"url": "/"}]
