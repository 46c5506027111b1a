"""Warm starts over HTTP: names become points when a study is submitted, on both databases."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from service.db.engine import transaction
from tests.fakes.rows import NOON, add_study, add_trial
from tests.fakes.specs import PARAMS, SPEC
from tests.service.api.test_studies import URL, assert_problem, submit

MAML = {"inner_lr": 0.01, "inner_steps": 2, "order": "second"}


@pytest.fixture
def earlier(client: TestClient, engine: Engine) -> None:
    """Write a completed study with some trials."""
    with transaction(engine) as session:
        add_study(session, status="completed", name="earlier")
        for number, score in ((0, 0.7), (2, 0.5), (4, 0.6)):
            params = {**PARAMS["maml"], "inner_lr": 10.0 if number == 4 else 0.01 + number / 100}
            add_trial(session, number, "completed", score=score, params=params)
        add_trial(session, 1, "completed", branch="reptile", score=0.9)
        add_trial(session, 3, "pruned", branch="reptile", score=0.1)
        add_trial(session, 8, "completed", role="verdict", score=0.01)


def spec(**warm_start: Any) -> dict[str, Any]:
    return {**SPEC, "warm_start": warm_start}


def stored(client: TestClient, document: dict[str, Any]) -> list[dict[str, Any]]:
    study = client.get(f"{URL}/{submit(client, document)}").json()
    found: list[dict[str, Any]] = study["spec"]["warm_start"]["trials"]
    assert study["spec"]["warm_start"]["studies"] == study["spec"]["warm_start"]["presets"] == []
    return found


@pytest.mark.parametrize("name", ["earlier", "a" * 32, "aaaa", "last"])
def test_the_best_completed_trials_of_a_study_become_points(
    client: TestClient, earlier: None, name: str
) -> None:
    trials = stored(client, spec(studies=[name], best=3))
    assert [(one["branch"], one["params"]) for one in trials] == [
        ("maml", {**MAML, "inner_lr": 0.03}),
        ("maml", {**MAML, "inner_lr": 1.0}),
        ("maml", MAML),
    ]
    assert trials[0]["source"] == (
        f"study {'a' * 32} (earlier), trial 2, rank 1 by search score 0.5"
    )
    assert trials[1]["source"].endswith("; into this space: inner_lr 10 → 1")


MAML_TWICE = [
    {"name": order, "algorithm": "maml", "space": {"inner_lr": "default", "order": order}}
    for order in ("first", "second")
]


def test_a_point_goes_to_every_branch_of_its_algorithm_where_none_has_its_name(
    client: TestClient, earlier: None
) -> None:
    twice = {**spec(studies=["earlier"], best=1), "branches": MAML_TWICE}
    trials = stored(client, twice)
    assert [(one["branch"], one["params"]) for one in trials] == [
        ("first", {"inner_lr": 0.03}),
        ("second", {"inner_lr": 0.03}),
    ]
    one_named = {**twice, "branches": [MAML_TWICE[0], {**MAML_TWICE[1], "name": "maml"}]}
    assert [one["branch"] for one in stored(client, one_named)] == ["maml"]
    recipe = {**spec(presets=["paper:maml-sinusoid"]), "branches": MAML_TWICE}
    assert [one["branch"] for one in stored(client, recipe)] == ["first", "second"]


def test_a_branch_of_that_name_with_another_algorithm_is_another(
    client: TestClient, earlier: None
) -> None:
    branches = [{"name": "maml", "algorithm": "reptile"}, {"name": "other", "algorithm": "maml"}]
    trials = stored(client, {**spec(studies=["earlier"], best=1), "branches": branches})
    assert [one["branch"] for one in trials] == ["other"]


def test_what_this_study_fixes_is_its_own(client: TestClient, earlier: None) -> None:
    branches = [{"algorithm": "reptile", "space": {"epsilon": "default", "inner_lr": 0.2}}]
    trials = stored(client, {**spec(studies=["earlier"]), "branches": branches})
    assert [(one["branch"], one["params"]) for one in trials] == [("reptile", {"epsilon": 0.5})]


def test_a_name_is_the_newest_study_of_that_name(
    client: TestClient, engine: Engine, earlier: None
) -> None:
    with transaction(engine) as session:
        later = NOON.replace(year=2027)
        add_study(session, "b" * 32, name="earlier", status="completed", created_at=later)
        add_trial(session, 0, "completed", study_id="b" * 32, score=0.3)
    trials = stored(client, spec(studies=["earlier"]))
    assert [one["source"][:38] for one in trials] == [f"study {'b' * 32}"]


def test_a_published_recipe_becomes_a_point_that_fits(client: TestClient) -> None:
    trials = stored(client, spec(presets=["paper:maml-omniglot-5w1s", "paper:maml-sinusoid"]))
    assert [one["params"] for one in trials] == [
        {"inner_lr": 1.0, "inner_steps": 1, "order": "second"},
        {"inner_lr": 0.01, "inner_steps": 1, "order": "second"},
    ]
    assert trials[0]["source"] == (
        "preset paper:maml-omniglot-5w1s; into this space: inner_lr 2 → 1"
    )
    assert trials[1]["source"] == "preset paper:maml-sinusoid"


def test_a_point_that_comes_twice_is_tried_once(client: TestClient) -> None:
    twice = spec(presets=["paper:maml-sinusoid"] * 2)
    assert len(stored(client, twice)) == 1


def test_what_is_stored_can_be_submitted_again(client: TestClient, earlier: None) -> None:
    first = client.get(f"{URL}/{submit(client, spec(studies=['earlier']))}").json()["spec"]
    assert client.get(f"{URL}/{submit(client, first)}").json()["spec"] == first


def test_the_same_key_gets_the_same_study_though_names_mean_more_by_now(
    client: TestClient, engine: Engine, earlier: None
) -> None:
    document = spec(studies=["earlier"])
    first = submit(client, document, Idempotency_Key="k")
    with transaction(engine) as session:
        add_trial(session, 6, "completed", score=0.01)
    assert submit(client, document, Idempotency_Key="k") == first


@pytest.mark.parametrize(
    ("warm_start", "field", "words"),
    [
        ({"studies": ["nobody"]}, "warm_start.studies[0]", "id or name of a study, got 'nobody'"),
        ({"presets": ["paper:x"]}, "warm_start.presets[0]", "must be one of paper:maml-sinusoid"),
        ({"studies": ["new"]}, "warm_start.studies[0]", "has no completed trial of maml or"),
        (
            {"trials": [{"branch": "maml", "params": {**MAML, "inner_lr": i / 10}} for i in
                        range(1, 6)]},
            "warm_start",
            "maml would begin with 5 trials, but budget.trials = 8 gives it 4",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_is_refused(
    client: TestClient, engine: Engine, warm_start: dict[str, Any], field: str, words: str
) -> None:
    with transaction(engine) as session:
        add_study(session, name="new")
    for url in (URL, f"{URL}/preview"):
        problem = assert_problem(client.post(url, json=spec(**warm_start)), 422, "invalid-spec")
        assert problem["errors"][0]["field"] == field
        assert words in problem["errors"][0]["message"]


def test_a_choice_that_is_not_listed_is_refused(client: TestClient) -> None:
    branches = [{"algorithm": "maml", "space": {"schedule": {"choices": ["cosine", "linear"]}}}]
    document = {**spec(presets=["paper:maml-sinusoid"]), "branches": branches}
    problem = assert_problem(client.post(URL, json=document), 422, "invalid-spec")
    assert "has schedule = constant, but here it must be one of cosine, linear" in problem["detail"]


def test_a_recipe_of_a_branch_that_is_not_there_is_refused(client: TestClient) -> None:
    document = {**spec(presets=["paper:reptile-omniglot-5w1s"]), "branches": SPEC["branches"][:1]}
    problem = assert_problem(client.post(URL, json=document), 422, "invalid-spec")
    assert "is a recipe of reptile, and this study has no such branch" in problem["detail"]
