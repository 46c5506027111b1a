"""A spec without its defaults is shorter, and the same spec."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from service.wire.spec.beyond_defaults import beyond_defaults
from service.wire.spec.refusals import parse_spec
from tests.fakes.specs import SMALL, SPEC

EXAMPLES = sorted((Path(__file__).parents[4] / "examples").glob("*.yaml"))
MORE: list[dict[str, Any]] = [
    SMALL,
    {**SPEC, "gates": {"rules": ["better"], "baseline": "main", "promote": "pass"}},
    {**SPEC, "search": {"sampler": "random"}, "constraints": {"diverged_share": 0.5}},
    {**SPEC, "pruning": {"rungs": [2]}, "verdict": {"compare": "none"}},
    {**SPEC, "branches": [{"algorithm": "reptile"}, {"algorithm": "maml", "space": {}}]},
]


@pytest.mark.parametrize(
    "document",
    [*(yaml.safe_load(path.read_text()) for path in EXAMPLES), *MORE],
    ids=lambda document: document["name"],
)
def test_parsed_again_it_is_the_same_spec(document: dict[str, Any]) -> None:
    spec = parse_spec(document)
    short = beyond_defaults(spec)
    assert parse_spec(yaml.safe_load(yaml.safe_dump(short))) == spec
    assert len(str(short)) < len(str(spec.model_dump(mode="json"))) * 2 / 3


def test_what_is_at_its_default_is_left_out() -> None:
    assert (
        beyond_defaults(parse_spec({**SPEC, "seed": 0}))
        .keys()
        .isdisjoint({"seed", "schema_version", "warm_start", "gates"})
    )
