"""The OpenAPI document: what FastAPI cannot see by itself."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.wire.spec.budget import CHANGEABLE, Budget
from service.wire.views.export import MEDIA_TYPES
from service.wire.views.problems import MEDIA_TYPE, Problem
from service.wire.views.schedules import NewSchedule

_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
PROBLEMS: dict[int | str, dict[str, Any]] = {"4XX": _PROBLEM, "5XX": _PROBLEM}
EVENT_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"description": "Events", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
METRICS: dict[int | str, dict[str, Any]] = {
    200: {"description": "Metrics", "content": {"text/plain": {"schema": {"type": "string"}}}}
}
REPORT_HTML: dict[int | str, dict[str, Any]] = {
    200: {"description": "The report", "content": {"text/html": {"schema": {"type": "string"}}}}
}
REPORT_MARKDOWN: dict[int | str, dict[str, Any]] = {
    200: {"description": "The report", "content": {"text/markdown": {"schema": {"type": "string"}}}}
}
EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The table, in the format that was asked for",
        "content": {
            media_type.partition(";")[0]: {"schema": {}} for media_type in MEDIA_TYPES.values()
        },
    }
}
_SPEC = {"schema": {"$ref": "#/components/schemas/StudySpec"}}
SPEC_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": _SPEC, "application/yaml": _SPEC},
    }
}

_SCHEDULE = {"schema": {"$ref": "#/components/schemas/NewSchedule"}}
SCHEDULE_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": _SCHEDULE, "application/yaml": _SCHEDULE},
    }
}


_CHANGEABLE = {
    name: rule
    for name, rule in Budget.model_json_schema()["properties"].items()
    if name in CHANGEABLE
}
_PATCH = {
    "type": "object",
    "properties": {
        "budget": {"type": "object", "properties": _CHANGEABLE, "additionalProperties": False}
    },
    "additionalProperties": False,
}
PATCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/merge-patch+json": {"schema": _PATCH},
            "application/json": {"schema": _PATCH},
        },
    }
}


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi()` name our problems beside what FastAPI finds."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                separate_input_output_schemas=False,
            )
            schemas = document["components"]["schemas"]
            for model in (Problem, NewSchedule):  # in bodies that FastAPI does not read
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs"))
                schemas[model.__name__] = schema
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
