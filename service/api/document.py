"""The OpenAPI document, made so that generators of clients can use it.

Each schema is titled by its name, which is unique, and what nothing refers to is left out.  An
operation is summed up by what its function says; its id is written beside its path, so that a
client that was generated keeps its names when a function gets another one.
"""

import json
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import JSONResponse

from service.api.openapi import component
from service.auth.gate import OPEN_PATHS
from service.auth.policy import READ
from service.db.engine import reading
from service.plugins.known import learn_present, offered
from service.wire.schemas import titled_by_name, without_titles
from service.wire.spec.budget import CHANGEABLE, Budget
from service.wire.views.datasets import NewDataset
from service.wire.views.problems import Problem
from service.wire.views.schedules import NewSchedule

_UNSEEN = (Problem, NewSchedule, NewDataset)  # FastAPI does not read them from any function
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "An API key."},
    "basic": {"type": "http", "scheme": "basic", "description": "An API key as the password."},
}
_NO_KEY: dict[str, list[str]] = {}  # where a server has no keys


router = APIRouter(include_in_schema=False)


@router.get("/openapi.json", dependencies=READ)
def show_document(request: Request) -> JSONResponse:
    """Return the document; behind a prefix, it names that first."""
    document = request.app.openapi()
    prefix = request.scope.get("root_path", "").rstrip("/")
    if prefix:
        document = {**document, "servers": [{"url": prefix}, *document["servers"]]}
    return JSONResponse(document)


def install_document(app: FastAPI) -> None:
    """Make `app.openapi()` return the document, with the kinds that specs may name now."""
    described: Any = None

    def openapi() -> dict[str, Any]:
        nonlocal described
        kinds = _kinds(app)
        if app.openapi_schema is None or kinds != described:
            app.openapi_schema, described = _document(app), kinds
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _kinds(app: FastAPI) -> frozenset[Any]:
    """The plug-ins that specs may name; those known already where the database cannot be asked."""
    with suppress(SQLAlchemyError), reading(app.state.context.engine) as session:
        learn_present(session)
    return offered()


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        license_info={"name": "MIT", "identifier": "MIT"},
        servers=[{"url": "/"}],
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    paths = without_titles(document["paths"])
    for path, operations in paths.items():
        for operation in operations.values():
            _sum_up(operation)
            for parameter in operation.get("parameters", []):
                parameter["schema"] = _without_null(parameter["schema"])
            if path in OPEN_PATHS:
                operation["security"] = []
    models = titled_by_name({**document["components"]["schemas"], **_unseen(), **_changes()})
    paths, models = _by_name(paths, models), {n: _by_name(m, models) for n, m in models.items()}
    return {
        **document,
        "security": [_NO_KEY, *({name: []} for name in _KEYS)],
        "paths": paths,
        "components": {
            "schemas": _referred_to(paths, models),
            "securitySchemes": _KEYS,
        },
    }


def _sum_up(operation: dict[str, Any]) -> None:
    summary, _, rest = operation.pop("description").partition(".\n")
    operation["summary"] = summary.removesuffix(".")
    if rest.strip():
        operation["description"] = rest.strip()


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that may be left out; there is no null in a URL or a header."""
    kept = [one for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if len(kept) != 1:
        return schema
    return {**kept[0], **{key: rule for key, rule in schema.items() if key != "anyOf"}}


def _unseen() -> dict[str, Any]:
    schemas: dict[str, Any] = {}
    for model in _UNSEEN:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    return schemas


def _changes() -> dict[str, Any]:
    rules = Budget.model_json_schema()["properties"]
    budget = {name: {**rules[name]} for name in CHANGEABLE}
    for rule in budget.values():
        rule.pop("default", None)  # what a patch leaves out stays as it is
    return {
        "StudyChange": _object("What to change of a study.", {"budget": component("BudgetChange")}),
        "BudgetChange": _object("What the search may spend; null is no limit.", budget),
    }


def _object(description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }


def _by_name(node: Any, models: dict[str, Any]) -> Any:
    """Refer to a list of names that has a name, as the statuses, so that it is one type."""
    if isinstance(node, list):
        return [_by_name(entry, models) for entry in node]
    if not isinstance(node, dict):
        return node
    if set(node) == {"type", "enum"}:
        names = [name for name, model in models.items() if model.get("enum") == node["enum"]]
        return component(names[0]) if names else node
    return {key: _by_name(below, models) for key, below in node.items()}


def _referred_to(paths: dict[str, Any], models: dict[str, Any]) -> dict[str, Any]:
    found: set[str] = set()
    new, text = set(models), json.dumps(paths)
    while new:
        new = {name for name in models.keys() - found if f'{component(name)["$ref"]}"' in text}
        found |= new
        text = json.dumps([models[name] for name in new])
    return {name: models[name] for name in sorted(found)}
