"""`metaopt evaluate` against a real server."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine

from metaopt.algorithms.registry import complete
from service.db.engine import reading, transaction
from service.db.tables import Study
from service.planning.banks import sealed_bank
from service.wire.spec.study import StudySpec
from tests.fakes.processes import DispatcherProcess
from tests.fakes.rows import add_study, add_trial
from tests.fakes.specs import SMALL, SPEC
from tests.service.cli.conftest import Command

STUDY = "a" * 32
PARAMS = complete("reptile", {"epsilon": 0.25, "inner_steps": 3})


@pytest.fixture
def searched(api: Engine) -> Engine:
    bank = sealed_bank(StudySpec.model_validate(SPEC))
    with transaction(api) as session:
        add_study(session, sealed_bank=bank, sealed_looks=8)
        add_trial(session, 0)
        add_trial(session, 1, "completed", branch="reptile", params=PARAMS, score=0.5)
    return api


def submitted(engine: Engine, study_id: str) -> tuple[StudySpec, str | None]:
    with reading(engine) as session:
        study = session.get_one(Study, study_id)
        return StudySpec.model_validate(study.spec), study.sealed_bank


def test_one_trial_is_judged_by_a_study_of_its_own_on_the_same_sealed_tasks(
    metaopt: Command, searched: Engine
) -> None:
    said = metaopt("evaluate", STUDY, "1", "--tasks", "50", "--seeds", "5")
    assert said.code == 0
    spec, bank = submitted(searched, said.out.strip())
    (branch,) = spec.branches
    assert (branch.algorithm, branch.fixed(), branch.distributions()) == ("reptile", PARAMS, {})
    assert (spec.budget.trials, spec.budget.meta_iterations, spec.rungs()) == (1, 90, [90])
    assert (spec.verdict.finalists, spec.verdict.tasks, spec.verdict.seeds) == (1, 50, 5)
    assert spec.verdict.compare == "none"
    assert spec.verdict.first_seed == 8  # seeds that no look has used
    assert bank == submitted(searched, STUDY)[1]


def test_without_options_it_is_judged_as_the_study_was(metaopt: Command, searched: Engine) -> None:
    said = metaopt("evaluate", STUDY, "1")
    verdict = submitted(searched, said.out.strip())[0].verdict
    assert (verdict.tasks, verdict.seeds) == (400, 3)


@pytest.mark.parametrize("name", ["default", "code:reptile-sinusoid"])
def test_it_is_compared_with_what_the_study_gives_without_a_search_or_a_recipe(
    metaopt: Command, searched: Engine, name: str
) -> None:
    said = metaopt("evaluate", STUDY, "1", "--compare", name)
    assert said.code == 0
    spec, _ = submitted(searched, said.out.strip())
    (branch,) = spec.branches
    own = submitted(searched, STUDY)[0].branches[1]
    assert (branch, spec.verdict.compare) == (own, name)
    (point,) = spec.warm_start.trials
    assert point.params == {one: PARAMS[one] for one in own.distributions()}
    assert "trial 1" in point.source and STUDY in point.source


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["1", "--compare", "paper:maml-sinusoid"], "a recipe of maml, and this study has no such"),
        (["1", "--compare", "best"], "must be default, none, a preset"),
        (["7"], "the study has no trial 7"),
        (["1", "--seeds", "0"], "verdict.seeds: must be greater than or equal to 1, got 0"),
        (["1", "--timeout", "5"], "--timeout needs --wait"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    metaopt: Command, searched: Engine, arguments: list[str], sentence: str
) -> None:
    said = metaopt("evaluate", STUDY, *arguments)
    assert (said.code, said.out) == (2, "")
    assert sentence in said.err


def test_an_incumbent_is_judged_as_it_was_promoted(metaopt: Command, api: Engine) -> None:
    incumbent = {
        "name": "main",
        "version": 1,
        "branch": "reptile",
        "params": PARAMS,
        "model": {"kind": "mlp", "widths": [7]},
        "meta_iterations": 45,
    }
    gates = {"rules": ["better"], "baseline": "main@1", "incumbent": incumbent}
    with transaction(api) as session:
        add_study(session, spec={**SPEC, "gates": gates})
        trial = {"branch": "reptile", "role": "incumbent", "params": PARAMS}
        add_trial(session, 9, "completed", **trial)
    spec, _ = submitted(api, metaopt("evaluate", STUDY, "9").out.strip())
    assert spec.model.chosen()["widths"] == [7]
    assert spec.budget.meta_iterations == 45


@pytest.mark.slow
def test_a_real_trial_is_judged_again_with_other_seeds_on_the_same_tasks(
    metaopt: Command, api: Engine, tmp_path: Path
) -> None:
    path = tmp_path / "small.json"
    path.write_text(json.dumps({**SMALL, "verdict": {**SMALL["verdict"], "compare": "default"}}))
    dispatcher = DispatcherProcess(str(api.url), tmp_path / "dispatcher")
    try:
        whole = json.loads(metaopt("submit", str(path), "--wait", "--json", "-").out)
        best = whole["result"]["finalists"][0]
        arguments = [whole["study"]["study_id"], str(best["trial_number"])]
        said = metaopt("evaluate", *arguments, "--seeds", "3", "--wait", "--json", "-")
        judged = json.loads(said.out)
        replayed = metaopt("replay", arguments[0])
        page = metaopt("result", arguments[0])
    finally:
        dispatcher.close()
    (finalist,) = judged["result"]["finalists"]
    assert finalist["params"] == best["params"]
    assert finalist["sealed"]["seeds"] == 3
    scores = {run["score"] for run in [*finalist["runs"], *best["runs"]]}
    assert len(scores) == 5  # other trainings: 3 here and 2 there
    assert (whole["study"]["sealed_looks"], judged["study"]["sealed_looks"]) == (6, 9)
    assert judged["result"]["comparison"] is None
    assert whole["result"]["comparison"]["difference"]["stderr"] > 0
    assert best["steps"]["search_curve"][0] > 0
    assert (replayed.code, replayed.out.count("3 of 3 suggestions agree")) == (0, 2)
    assert page.code == 0 and "the defaults of" in page.out and "looked at 9 times" in page.out
