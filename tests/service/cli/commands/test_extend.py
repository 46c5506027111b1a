"""`metaopt extend` against a real server."""

import pytest
from sqlalchemy import Engine

from service.cli.commands.extend import new_amount
from service.cli.exits import Stop
from service.db.engine import reading, transaction
from service.db.tables import Study
from service.wire.spec.budget import Budget
from tests.fakes.rows import add_study, add_trial
from tests.service.cli.conftest import Command

STUDY = "a" * 32


@pytest.fixture
def running(api: Engine) -> Engine:
    with transaction(api) as session:
        add_study(session)
        add_trial(session, 5)
    return api


def test_extend_sets_adds_and_removes(metaopt: Command, running: Engine) -> None:
    said = metaopt("extend", STUDY, "--trials", "+20", "--wall-seconds", "3600")
    assert said == (0, f"{STUDY} trials=28 wall_seconds=3600.0\n", "")
    said = metaopt("extend", STUDY, "--wall-seconds", "+60", "--stagnation", "12")
    assert said.out == f"{STUDY} wall_seconds=3660.0 stagnation=12\n"
    said = metaopt("extend", STUDY, "--wall-seconds", "none", "--target-score", "0.4")
    assert said.out == f"{STUDY} wall_seconds=None target_score=0.4\n"
    with reading(running) as session:
        study = session.get_one(Study, STUDY)
        assert study.spec["budget"]["trials"] == 28
        assert study.version == 4


def test_what_the_server_refuses_is_said(metaopt: Command, running: Engine) -> None:
    with transaction(running) as session:
        add_trial(session, 6)
    said = metaopt("extend", STUDY, "--trials", "1")
    assert (said.code, said.out) == (2, "")
    assert "budget.trials must be at least the 2 that are spent, got 1" in said.err
    said = metaopt("extend", STUDY, "--trials", "none")
    assert said.code == 2 and "budget.trials: must be a valid integer" in said.err
    with transaction(running) as session:
        session.get_one(Study, STUDY).status = "completed"
    said = metaopt("extend", STUDY, "--trials", "+1")
    assert said.code == 2 and "warm_start" in said.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "say what to change: one or more of --trials, --wall-seconds"),
        (("--trials", "many"), "--trials must be N, +N more, or none, got 'many'"),
        (("--device-seconds", "+5"), "the study has no such budget to add to"),
    ],
)
def test_an_amount_that_is_none_is_refused(
    metaopt: Command, running: Engine, arguments: tuple[str, ...], sentence: str
) -> None:
    said = metaopt("extend", STUDY, *arguments)
    assert said.code == 2 and sentence in said.err


def test_amounts_mean_what_they_say() -> None:
    budget = Budget(trials=8, wall_seconds=10.0)
    assert new_amount("trials", "+2", budget) == 10
    assert new_amount("trials", "2", budget) == 2
    assert new_amount("wall_seconds", "+0.5", budget) == 10.5
    assert new_amount("target_score", "-0.5", budget) == -0.5
    assert new_amount("stagnation", "none", budget) is None
    with pytest.raises(Stop):
        new_amount("stagnation", "+1", budget)
