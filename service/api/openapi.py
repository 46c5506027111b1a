"""What endpoints tell the OpenAPI document that FastAPI cannot see: bodies, answers, problems."""

from typing import Any

from service.wire.views.export import MEDIA_TYPES, Format
from service.wire.views.problems import MEDIA_TYPE

Answers = dict[int | str, dict[str, Any]]

TEXT = {"type": "string"}
BINARY = {"type": "string", "format": "binary"}
_TABLES: dict[Format, dict[str, Any]] = {
    "csv": TEXT,
    "json": {"type": "array", "items": {"type": "object"}},
    "parquet": BINARY,
}


def component(name: str) -> dict[str, Any]:
    """A reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(description: str, media_type: str, schema: dict[str, Any]) -> Answers:
    return {200: {"description": description, "content": {media_type: {"schema": schema}}}}


def _spec_body(name: str) -> dict[str, Any]:
    # YAML is named in words: generators know how to send JSON, and warn of all else.
    return {
        "requestBody": {
            "description": "JSON, or the same as YAML with `Content-Type: application/yaml`.",
            "required": True,
            "content": {"application/json": {"schema": component(name)}},
        }
    }


_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": component("Problem")}},
}
PROBLEMS: Answers = {"4XX": _PROBLEM, "5XX": _PROBLEM}
EVENT_STREAM = _answer("Events", "text/event-stream", TEXT)
METRICS = _answer("Metrics", "text/plain", TEXT)
REPORT_HTML = _answer("The report", "text/html", TEXT)
REPORT_MARKDOWN = _answer("The report", "text/markdown", TEXT)
EXPORT: Answers = {
    200: {
        "description": "The table, in the format that was asked for",
        "content": {
            media_type.partition(";")[0]: {"schema": _TABLES[file_format]}
            for file_format, media_type in MEDIA_TYPES.items()
        },
    }
}
DATASET_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": component("NewDataset")}},
    }
}
ARRAYS_BODY = {
    "requestBody": {
        "description": "A safetensors file as `metaopt data export` writes it.",
        "required": True,
        "content": {"application/octet-stream": {"schema": BINARY}},
    }
}
ARRAYS = _answer("The file of the arrays (safetensors)", "application/octet-stream", BINARY)
SPEC_BODY = _spec_body("StudySpec")
SCHEDULE_BODY = _spec_body("NewSchedule")
PATCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            media_type: {"schema": component("StudyChange")}
            for media_type in ("application/merge-patch+json", "application/json")
        },
    }
}
