"""A study that cannot go on fails alone."""

from typing import Any

import pytest
from optuna.study import Study as OptunaStudy
from sqlalchemy import Engine

from service.db.engine import reading
from service.db.tables import Study
from tests.fakes.executor import ScriptedExecutor
from tests.fakes.running import (
    Run,
    wait_for,
)
from tests.fakes.specs import SMALL, small_spec
from tests.fakes.studies import submit

ONE_BRANCH = {"branches": SMALL["branches"][:1], "budget": {"trials": 4, "meta_iterations": 180}}


def test_a_sampler_that_cannot_be_told_fails_its_own_study_only(
    engine: Engine, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (submit(engine, small_spec(**ONE_BRANCH)) for _ in range(2))
    tell, broken = OptunaStudy.tell, iter([True])

    def break_once(*arguments: Any, **named: Any) -> Any:
        if next(broken, False):
            raise ZeroDivisionError("no variance")
        return tell(*arguments, **named)

    monkeypatch.setattr(OptunaStudy, "tell", break_once)
    run(ScriptedExecutor(slots=1))
    wait_for(engine, second, "completed")
    with reading(engine) as session:
        error = session.get_one(Study, first).error
    assert error == (
        "the search cannot go on: trial 0 cannot be told: ZeroDivisionError: no variance"
    )
