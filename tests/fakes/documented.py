"""Requests generated from the OpenAPI document, and everything that is asked of their answers.

Half of them stand at the bounds of what the document says (Schemathesis' coverage phase: a value
just inside and just outside of each rule, a parameter left out or given twice, a method that is
not there), and half are drawn.  An operation gets as many as `per_operation` in all.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from zlib import crc32

import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, seed
from hypothesis import settings as hypothesis_settings
from hypothesis.strategies import booleans
from schemathesis import GenerationMode, checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi import checks as openapi

from tests.fakes.local import LOCAL
from tests.fakes.specs import SPEC

SHARE_AT_BOUNDS = 0.6
LEFT_OUT = ("/readyz", "/events")  # 503 without a dispatcher; a stream has its own tests
# use_after_free and ensure_resource_availability look at what came before: of a single request they
# ask nothing, tests/service/api/test_model.py does.  ignored_auth asks nothing either, since the
# document lets requests without a key be (a server may have no keys): tests/service/auth/
# test_matrix.py tries every route with every kind of key.
CHECKS = [
    checks.not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
    openapi.negative_data_rejection,
    openapi.positive_data_acceptance,
    openapi.missing_required_header,
    openapi.unsupported_method,
    openapi.allow_header_conformance,
    checks.use_after_free,
    checks.ensure_resource_availability,
    checks.ignored_auth,
    checks.object_level_authorization,
]
# `/studies/x:pause` is also where GET and PATCH find a study that is called `x:pause`, and
# `/studies/preview` one that is called so: these methods are allowed there, and are answered with
# 404 or 422.
METHODS = {openapi.unsupported_method, openapi.allow_header_conformance}
# What no schema can say: cursors are those that were handed out; an Idempotency-Key is for one
# body; a study changes only under the ETag that it has, which is looked at before the body; and of
# a body the document says how each field looks alone, not which of them go together (a model and
# its tasks), what is there (a data set) and what fits (a digest).
NO_RULE_OF_THE_DOCUMENT = {
    "idempotency-conflict",
    "invalid-cursor",
    "precondition-failed",
    "precondition-required",
}
OUTSIDE_OF_A_BODY = ("header.", "query.", "path.")
SPECS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "POST /api/v1/studies": lambda spec: spec,
    "POST /api/v1/studies/preview": lambda spec: spec,
    "POST /api/v1/schedules": lambda spec: {"name": "drawn", "cron": "0 3 * * *", "spec": spec},
}
SECTIONS = ("budget", "evaluation", "pruning", "search", "seed", "verdict")


class Document:
    """The operations of an OpenAPI document, and what there is to send at its bounds.

    It depends on no database, and to find its bounds takes half a minute: `document` reads it once.
    """

    def __init__(self, text: str) -> None:
        read = schemathesis.openapi.from_dict(json.loads(text))
        self.operations = [operation.ok() for operation in read.get_all_operations()]
        self._at_bounds: dict[str, list[Any]] = {}

    def at_bounds(self, operation: Any) -> list[Any]:
        """Every request at the bounds of an operation; to be derived, not to be changed."""
        if operation.label not in self._at_bounds:
            cases = operation.schema.iter_coverage_cases(
                operation,
                generation_modes=list(GenerationMode),
                generation_config=operation.schema.config.generation_for(operation=operation),
            )
            self._at_bounds[operation.label] = list(cases)
        return self._at_bounds[operation.label]


document = cache(Document)


class Documented:
    """The operations of an application, tried.

    Args:
        seed: Of what is drawn.
        real: Path parameters of what is there; half of the requests have them.
    """

    def __init__(
        self, app: FastAPI, client: TestClient, real: Mapping[str, Any], *, seed: str
    ) -> None:
        self._document = document(json.dumps(app.openapi()))
        found = self._document.operations
        self.operations = [one for one in found if not one.path.endswith(LEFT_OUT)]
        self._app, self._client, self._real, self._seed = app, client, real, seed

    def tried(self, operation: Any, number: int) -> Counter[tuple[str, int]]:
        """Send so many requests of both kinds; return how each mode was answered."""
        answers = self.at_bounds(operation, int(SHARE_AT_BOUNDS * number))
        answers += self.drawn(operation, number - answers.total())
        return answers

    def at_bounds(self, operation: Any, most: int) -> Counter[tuple[str, int]]:
        """Send requests at the bounds of the document; return how each mode was answered."""
        cases = self._document.at_bounds(operation)
        chance = random.Random(self._of(operation))
        chosen = chance.sample(cases, min(most, len(cases)))
        return Counter(self._send(case.derive(), real=chance.random() < 0.5) for case in chosen)

    def drawn(self, operation: Any, number: int) -> Counter[tuple[str, int]]:
        """Send requests that were drawn, half of them against the document."""
        modes = [GenerationMode.POSITIVE]
        if operation.query or operation.body:
            modes.append(GenerationMode.NEGATIVE)
        answers: Counter[tuple[str, int]] = Counter()
        for mode in modes:
            examples = hypothesis_settings(
                max_examples=max(1, number // len(modes)),
                deadline=None,
                suppress_health_check=list(HealthCheck),
                database=None,
            )

            @seed(self._of(operation))
            @examples
            @given(case=operation.as_strategy(generation_mode=mode), real=booleans())
            def send(case: schemathesis.Case, real: bool) -> None:
                answers[self._send(case, real=real)] += 1

            send()
        return answers

    def case(self, label: str, **parts: Any) -> Any:
        """A request of our own to an operation."""
        (operation,) = [one for one in self.operations if one.label == label]
        return operation.Case(**parts)

    def check(self, case: Any) -> int:
        """Send a request, look at the answer, and return its status."""
        response = case.call(LOCAL, app=self._app, session=self._client)
        case.validate_response(response, checks=list(_checks_of(case, response)))
        return int(response.status_code)

    def _send(self, case: Any, *, real: bool) -> tuple[str, int]:
        if real:
            self._name_what_is_there(case)
        return case.meta.generation.mode.value, self.check(case)

    def _name_what_is_there(self, case: Any) -> None:
        positive = case.meta.generation.mode.is_positive
        path = case.meta.components.get(ParameterLocation.PATH)
        if path is not None and path.mode.is_positive:
            here = {
                name: value for name, value in self._real.items() if name in case.path_parameters
            }
            case.path_parameters.update(here)
        if case.method == "PATCH":
            case.headers["If-Match"] = "*"
        if not positive:
            return
        case.query.pop("version", None)
        if "branch" in case.query:
            case.query["branch"] = "maml"
        if isinstance(case.body, dict) and case.operation.path.startswith("/api/v1/baselines"):
            own = {"study_id": self._real["study_id"], "version": 1}
            case.body = {name: own.get(name, value) for name, value in case.body.items()}
        if case.operation.label in SPECS:
            case.body = SPECS[case.operation.label](_accepted_but_for_a_section(case.body))

    def _of(self, operation: Any) -> int:
        return crc32(f"{operation.label} {self._seed}".encode())


def _accepted_but_for_a_section(body: dict[str, Any]) -> dict[str, Any]:
    """A spec that is accepted, but for a section of one that was drawn: most of those are, too."""
    drawn = body.get("spec", body)
    section = SECTIONS[len(str(drawn)) % len(SECTIONS)]
    return {**SPEC, section: drawn[section]} if section in drawn else SPEC


def _checks_of(case: Any, response: Any) -> Iterator[Callable[..., Any]]:
    """All of them but those that cannot hold by design."""
    for check in CHECKS:
        if check in METHODS and _may_be_a_study(case.operation.path):
            continue
        if check is openapi.negative_data_rejection and response.status_code == 412:
            continue
        if check is openapi.positive_data_acceptance and _breaks_no_rule_of_the_document(response):
            continue
        yield check


def _may_be_a_study(path: str) -> bool:
    return ":" in path or path == "/api/v1/studies/preview"


def _breaks_no_rule_of_the_document(response: Any) -> bool:
    if "problem+json" not in str(response.headers.get("content-type")):
        return False
    problem = response.json()
    fields = [error["field"] for error in problem.get("errors", [])]
    of_a_body = fields and not any(field.startswith(OUTSIDE_OF_A_BODY) for field in fields)
    return bool(of_a_body) or problem["code"] in NO_RULE_OF_THE_DOCUMENT
