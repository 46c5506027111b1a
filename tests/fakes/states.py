"""The dispatcher's state of a study, without a database."""

from datetime import UTC, datetime
from typing import Any

from service.db.states import StudyStatus, TrialStatus
from service.dispatcher.search.ask import ask
from service.dispatcher.state import SlotState, StudyState, TrialState
from service.dispatcher.store.restore import branch_states
from service.executors.base import Slot
from service.planning.plan import Plan
from tests.fakes.specs import small_spec

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def study(study_id: str = "s", **changes: Any) -> StudyState:
    """Return a running study without trials."""
    spec = small_spec(**changes)
    return StudyState(
        study_id, Plan.of(spec), NOON, StudyStatus.RUNNING, branch_states(spec, {}, [])
    )


def asked(of: StudyState, branch: str, count: int) -> list[TrialState]:
    """Ask for trials and add them to the study."""
    trials = [one.trial for one in ask(of, of.branches[branch], count)]
    of.add(trials)
    return trials


def move(of: StudyState, trial: TrialState, status: TrialStatus, at: int | None = None) -> None:
    """Give a trial another status, at another meta-iteration."""
    trial.status = status
    trial.meta_iteration = trial.meta_iteration if at is None else at
    of.moved(trial)


def trial(**changes: Any) -> TrialState:
    """Return a running MAML trial."""
    one = asked(study(), "maml", 1)[0]
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def slot(name: str = "cpu:0") -> SlotState:
    """Return a free slot."""
    return SlotState(Slot(name, "cpu"))
