"""Handing over: trials that go on in another program are put back into the queue."""

from collections.abc import Iterable

from service.db.states import TrialStatus
from service.dispatcher.scheduler.program_switch import group_now
from service.dispatcher.state import StudyState, TrialState
from service.dispatcher.store.ledger import Ledger

CAUSE = "goes on with second-order meta-gradients"


def regroup(study: StudyState, trials: Iterable[TrialState]) -> None:
    """Give trials whose meta-iteration has changed the group that they now are in."""
    for trial in trials:
        if study.plan_of(trial).changes_program:
            trial.group = group_now(study, trial)


def hand_over(ledger: Ledger, study: StudyState, lanes: Iterable[TrialState]) -> None:
    """Put those of a slot's lanes back into the queue that run and have changed their program.

    It is a transaction of its own: if the dispatcher dies before it, its successor requeues all
    that runs and finds each trial's program by its meta-iteration.
    """
    before = {trial.trial_number: (trial, trial.group) for trial in lanes}
    regroup(study, (trial for trial, _ in before.values()))
    moved = [
        trial
        for trial, group in before.values()
        if trial.status == TrialStatus.RUNNING and trial.group != group
    ]
    if moved:
        ledger.release(study, moved, CAUSE)
