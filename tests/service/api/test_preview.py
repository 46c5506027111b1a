"""Previews over HTTP: what a spec would do, without starting anything, on both databases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, select

from service.db.engine import reading, transaction
from service.db.tables import Event, Study
from service.planning.preview import signatures
from service.wire.spec.refusals import parse_spec
from tests.fakes.rows import add_baseline, add_segment, add_study
from tests.fakes.specs import NAMED, SPEC
from tests.service.api.test_studies import URL, assert_problem


def preview(client: TestClient, spec: dict[str, Any]) -> Any:
    response = client.post(f"{URL}/preview", json=spec)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_preview_shows_the_space_as_the_sampler_sees_it(client: TestClient) -> None:
    maml, reptile = preview(client, SPEC)["branches"]
    assert (maml["algorithm"], maml["trials"], reptile["trials"]) == ("maml", 4, 4)
    nothing = {"low": None, "high": None, "log": False, "choices": None}
    assert maml["searched"] == [
        {**nothing, "name": "inner_lr", "kind": "float", "low": 1e-3, "high": 1.0, "log": True},
        {**nothing, "name": "inner_steps", "kind": "int", "low": 1, "high": 5},
        {**nothing, "name": "order", "kind": "choice", "choices": ["first", "second"]},
    ]
    assert maml["fixed"]["meta_batch"] == 25 and "inner_lr" not in maml["fixed"]
    assert [one["name"] for one in reptile["searched"]] == ["epsilon"]


def test_a_preview_warns_of_branches_that_repeat_themselves(client: TestClient) -> None:
    assert preview(client, SPEC)["warnings"] == []
    maml = {"algorithm": "maml", "space": {"order": "default"}}
    found = preview(client, {**SPEC, "branches": [maml, {"algorithm": "reptile", "space": {}}]})
    few, nothing = found["warnings"]
    assert few.startswith("branch maml has 2 different configurations: its 4 trials")
    assert nothing.startswith("branch reptile has nothing to search: its 4 trials")
    assert found["branches"][1]["searched"] == []


def test_a_preview_counts_meta_iterations_with_the_pruning(client: TestClient) -> None:
    found = preview(client, SPEC)
    assert found["rungs"] == [10, 30, 90]
    search, verdict = found["search"], found["verdict"]
    assert (search["trials"], search["meta_iterations_at_most"]) == (8, 720)
    assert search["meta_iterations_expected"] == round(8 * (10 + 20 / 3 + 60 / 9))
    assert (verdict["trials"], verdict["meta_iterations_at_most"]) == (12, 1080)
    alone = preview(client, {**SPEC, "verdict": {"compare": "none"}})["verdict"]
    assert alone["trials"] == 9
    capped = {**SPEC, "budget": {**SPEC["budget"], "total_meta_iterations": 100}}
    search = preview(client, capped)["search"]
    assert (search["meta_iterations_at_most"], search["meta_iterations_expected"]) == (100, 100)


def test_seconds_come_from_earlier_segments_of_the_same_programs(
    client: TestClient, engine: Engine
) -> None:
    search = preview(client, SPEC)["search"]
    assert search["device_seconds"] is None
    assert search["device_seconds_from"] == "no study with such programs has run here yet"
    programs = [signatures(parse_spec(SPEC), branch) for branch in parse_spec(SPEC).branches]
    with transaction(engine) as session:
        add_study(session)
        for of_branch, seconds in zip(programs, (2.0, 4.0), strict=True):
            assert of_branch is not None
            add_segment(
                session, signature=min(of_branch), lanes=4, meta_iterations=50, seconds=seconds
            )
    search = preview(client, SPEC)["search"]
    expected = 4 * (10 + 20 / 3 + 60 / 9)
    assert search["device_seconds"] == pytest.approx(expected * (0.01 + 0.02))
    assert search["device_seconds_from"].startswith("2 segments of earlier studies")
    other = {**SPEC, "model": {"kind": "mlp", "widths": [7]}}
    assert preview(client, other)["search"]["device_seconds"] is None


def test_each_program_of_a_branch_is_known(client: TestClient) -> None:
    maml, reptile = (signatures(parse_spec(SPEC), one) for one in parse_spec(SPEC).branches)
    assert maml is not None and len(maml) == 5  # 1, 2, 3, 5 steps in second order; first order
    assert reptile is not None and len(reptile) == 1
    wide = {"algorithm": "maml", "space": {"gradient_clamp": "default"}}
    spec = {**SPEC, "branches": [wide]}
    assert signatures(parse_spec(spec), parse_spec(spec).branches[0]) is None
    found = preview(client, spec)["search"]
    assert found["device_seconds"] is None and "more than 512" in found["device_seconds_from"]


def test_a_preview_starts_nothing(client: TestClient, engine: Engine) -> None:
    preview(client, {**SPEC, "warm_start": {"presets": ["paper:maml-sinusoid"]}})
    with reading(engine) as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 0
        assert session.scalar(select(func.count()).select_from(Event)) == 0


def test_a_preview_names_what_the_search_begins_with(client: TestClient) -> None:
    spec = {**SPEC, "warm_start": {"presets": ["paper:maml-sinusoid"]}}
    maml, reptile = preview(client, spec)["branches"]
    assert [one["source"] for one in maml["warm_start"]] == ["preset paper:maml-sinusoid"]
    assert reptile["warm_start"] == []


def test_a_preview_names_each_branch_with_what_it_trains(client: TestClient) -> None:
    found = preview(client, NAMED)["branches"]
    assert [(one["branch"], one["algorithm"]) for one in found] == [
        ("first", "maml"), ("second", "maml"), ("wide", "maml"),
    ]  # fmt: skip
    assert [one["model"] and one["model"]["widths"] for one in found] == [None, None, [24]]
    programs = [signatures(parse_spec(NAMED), branch) for branch in parse_spec(NAMED).branches]
    assert len({digest for some in programs if some for digest in some}) == 3


def test_a_broken_spec_is_refused(client: TestClient) -> None:
    response = client.post(f"{URL}/preview", json={**SPEC, "seed": -1})
    assert_problem(response, 422, "invalid-spec")


def test_gates_come_on_top(client: TestClient, engine: Engine) -> None:
    assert preview(client, SPEC)["gates"] is None
    gates = {"rules": ["at-least:1"], "seeds": 3}
    assert preview(client, {**SPEC, "gates": gates})["gates"]["trials"] == 3
    with transaction(engine) as session:
        add_baseline(session)
    compared = {"rules": ["better"], "baseline": "main", "seeds": 3}
    found = preview(client, {**SPEC, "gates": compared})["gates"]
    assert (found["trials"], found["meta_iterations_at_most"]) == (6, 540)
