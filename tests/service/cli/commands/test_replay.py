"""`metaopt replay` against a real server whose log a real search has written."""

import pytest
from sqlalchemy import Engine, select

from service.db.engine import transaction
from service.db.tables import Ask, Study
from service.planning.branch_search import branch_search
from service.wire.spec.study import StudySpec
from tests.fakes.rows import add_study
from tests.service.cli.conftest import Command

STUDY = "a" * 32


@pytest.fixture
def searched(api: Engine) -> Engine:
    with transaction(api) as session:
        study: Study = add_study(session)
        spec = StudySpec.model_validate(study.spec)
        for branch in spec.branches:
            search, name = branch_search(spec, branch, []), branch.algorithm
            for number in range(4):
                params = search.ask(number)
                of_branch = {"study_id": STUDY, "branch": name, "kind": "ask", "params": params}
                session.add(Ask(**of_branch, sequence=number, trial_number=number))
    return api


def test_a_log_that_follows_from_the_spec_agrees_and_is_0(
    metaopt: Command, searched: Engine
) -> None:
    said = metaopt("replay", STUDY)
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        "maml: 4 of 4 suggestions agree byte for byte",
        "reptile: 4 of 4 suggestions agree byte for byte",
    ]


def test_a_log_that_was_changed_is_1_and_says_where(metaopt: Command, searched: Engine) -> None:
    with transaction(searched) as session:
        query = select(Ask).where(Ask.branch == "reptile", Ask.sequence == 2)
        session.scalars(query).one().params = {"epsilon": 0.5}
    said = metaopt("replay", STUDY)
    assert said.code == 1
    maml, reptile = said.out.splitlines()
    assert "agree" in maml
    assert reptile.startswith(
        'reptile: differs after 2 of 4: trial 2: the log has {"epsilon": 0.5}, the sampler gives '
    )


def test_a_study_that_is_not_there_is_2(metaopt: Command, api: Engine) -> None:
    assert metaopt("replay", "b" * 32).code == 2
