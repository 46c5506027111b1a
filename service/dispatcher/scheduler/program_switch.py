"""The program switch: trials whose program changes on the way.  Pure functions.

    first-order program ──at the rung pruning.first_order_until──▶ second-order program

A second-order trial of such a study begins in the program of first-order trials.  At the rung it is
put back into the queue with its checkpoint, and goes on as a lane of the second-order program:
weights, outer moments, task stream and schedule go on where they were, since none of them depends
on the order (`Signature.state_digest`).  Which program a trial is in follows from its
meta-iteration (`service.planning.fidelity.trained_params`), so a restart changes nothing.  Under
asha it is judged by its rank once more while it waits, as a trial that lost its worker there
(ADR 0011).
"""

from service.dispatcher.groups import group_of
from service.dispatcher.state import Group, StudyState, TrialState
from service.planning.rungs import expected_iterations


def group_now(study: StudyState, trial: TrialState) -> Group:
    """The group that `trial` trains in from its present meta-iteration on."""
    return _group_at(study, trial, trial.meta_iteration)


def ahead_in(
    study: StudyState, trial: TrialState, group: Group, age: int, survival: float
) -> float:
    """The meta-iterations that a trial like this one trains in `group` from `age` on.

    Args:
        survival: Share of trials that goes on from a rung.
    """
    plan = study.plan_of(trial)
    rungs, until = plan.rungs, plan.switches_order_at(trial.params)
    total = expected_iterations(age, rungs, survival)
    if until is None:
        return total if trial.group == group else 0.0
    before = expected_iterations(age, rungs, survival, until=until)
    mine = before if _group_at(study, trial, 0) == group else 0.0
    return mine + (total - before if _group_at(study, trial, until) == group else 0.0)


def _group_at(study: StudyState, trial: TrialState, meta_iteration: int) -> Group:
    role, branch, _ = trial.group
    return group_of(study, role, branch, trial.params, meta_iteration)
