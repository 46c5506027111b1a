"""Trials written many at a time are the trials that Optuna's own storage writes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial
from sqlalchemy import Engine

from metaopt.goals import CONSTRAINTS_KEY
from service.db.engine import transaction
from service.db.optuna.storage import open_storage
from service.db.optuna.trials import (
    Change,
    End,
    add_trials,
    change_trials,
    set_attributes,
)

DISTRIBUTIONS = {
    "inner_lr": FloatDistribution(1e-3, 1.0, log=True),
    "inner_steps": IntDistribution(1, 5),
    "order": CategoricalDistribution(("first", "second")),
}
BEGUN, ENDED = datetime(2026, 1, 2, 3, 4, 5, 6), datetime(2026, 1, 2, 3, 5)


@pytest.fixture
def storage(engine: Engine, database_url: str) -> Iterator[RDBStorage]:
    storage = open_storage(database_url)
    yield storage
    storage.remove_session()
    storage.engine.dispose()


def trial(state: TrialState, **changes: Any) -> FrozenTrial:
    made = create_trial(
        state=state,
        params={"inner_lr": 0.01, "inner_steps": 3, "order": "second"},
        distributions=DISTRIBUTIONS,
        **changes,
    )
    made.datetime_start = BEGUN
    made.datetime_complete = ENDED if state.is_finished() else None
    return made


def trials() -> list[FrozenTrial]:
    attributes = {"seed": "9007199254740993", "device_seconds": 1.5, "tied_with_best": True}
    return [
        trial(TrialState.RUNNING),
        trial(TrialState.COMPLETE, value=1.25, intermediate_values={10: 3.0, 30: 1.25}),
        trial(TrialState.PRUNED, value=3.0, intermediate_values={10: 3.0}, user_attrs=attributes),
        trial(TrialState.FAIL, user_attrs=attributes),
    ]


def content(storage: RDBStorage, optuna_study_id: int) -> list[dict[str, Any]]:
    found = [dict(vars(one)) for one in storage.get_all_trials(optuna_study_id)]
    for one in found:
        one.pop("_trial_id")
    return found


def test_they_are_as_optuna_would_have_written_them(engine: Engine, storage: RDBStorage) -> None:
    theirs = storage.create_new_study([StudyDirection.MINIMIZE], "theirs")
    ours = storage.create_new_study([StudyDirection.MINIMIZE], "ours")
    for one in [*trials(), *trials()]:
        storage.create_new_trial(theirs, one)
    for _ in range(2):
        with transaction(engine) as session:
            added = add_trials(session, ours, trials())
    assert content(storage, ours) == content(storage, theirs)
    assert [one.number for one in storage.get_all_trials(ours)] == list(range(8))
    assert [one._trial_id for one in storage.get_all_trials(ours)][4:] == added
    assert storage.get_best_trial(ours).number == 1


def test_a_trial_gets_new_scores_and_then_its_end(engine: Engine, storage: RDBStorage) -> None:
    study = storage.create_new_study([StudyDirection.MINIMIZE], "ours")
    ended_at = datetime(2026, 1, 2, 12, tzinfo=UTC)
    with transaction(engine) as session:
        first, second = add_trials(
            session, study, [trial(TrialState.RUNNING, user_attrs={"status": "running"})] * 2
        )
    end = End(TrialState.COMPLETE, [2.0], ended_at, {"status": "completed", "device_seconds": 2.5})
    with transaction(engine) as session:
        change_trials(session, [Change(first, {10: 3.0}, None), Change(second, {10: 2.0}, end)])
    running, ended = storage.get_all_trials(study)
    assert (running.state, running.intermediate_values) == (TrialState.RUNNING, {10: 3.0})
    assert running.user_attrs == {"status": "running"}
    assert (ended.state, ended.value) == (TrialState.COMPLETE, 2.0)
    assert ended.user_attrs == {"status": "completed", "device_seconds": 2.5}
    assert ended.datetime_complete == ended_at.astimezone().replace(tzinfo=None)


def test_several_objectives_and_constraints_are_as_optuna_would_have_written_them(
    engine: Engine, storage: RDBStorage
) -> None:
    directions = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]
    theirs = storage.create_new_study(directions, "theirs")
    ours = storage.create_new_study(directions, "ours")
    kept = {CONSTRAINTS_KEY: [-5.0, 0.0]}
    new = [
        trial(TrialState.COMPLETE, values=[0.5, 10.0], system_attrs=kept),
        trial(TrialState.PRUNED, intermediate_values={10: 3.0}, system_attrs=kept),
    ]
    for one in new:
        storage.create_new_trial(theirs, one)
    end = End(TrialState.COMPLETE, [0.75, 20.0], datetime.now(UTC), {}, [5.0, 0.0])
    with transaction(engine) as session:
        add_trials(session, ours, new)
    assert content(storage, ours) == content(storage, theirs)
    with transaction(engine) as session:
        (running,) = add_trials(session, ours, [trial(TrialState.RUNNING)])
        change_trials(session, [Change(running, {}, end)])
    ended = storage.get_trial(running)
    assert ended.values == [0.75, 20.0]
    assert list(ended.constraints.values()) == [5.0, 0.0]


def test_attributes_of_an_ended_trial_can_be_set(engine: Engine, storage: RDBStorage) -> None:
    study = storage.create_new_study([StudyDirection.MINIMIZE], "ours")
    with transaction(engine) as session:
        (one,) = add_trials(session, study, [trial(TrialState.COMPLETE, value=1.0)])
        set_attributes(session, {one: {"rank": 1, "tied_with_best": False}})
        set_attributes(session, {one: {"rank": 2}})
    assert storage.get_trial(one).user_attrs == {"rank": 2, "tied_with_best": False}


def test_nothing_is_written_for_nothing(engine: Engine, storage: RDBStorage) -> None:
    study = storage.create_new_study([StudyDirection.MINIMIZE], "ours")
    with transaction(engine) as session:
        assert add_trials(session, study, []) == []
        change_trials(session, [])
    assert storage.get_all_trials(study) == []
