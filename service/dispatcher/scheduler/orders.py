"""Orders: what to tell a worker, from the lanes it should have.  Pure functions."""

from collections.abc import Sequence

from service.db.states import SEARCH_ROLES, TrialRole
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.pruning import pauses
from service.dispatcher.scheduler.program_switch import ahead_in
from service.dispatcher.state import Group, SlotState, StudyState, TrialState
from service.executors.base import Admit, AtEnd, SegmentOrder
from service.planning.fidelity import bank_tasks, trained_params
from service.planning.rungs import next_rung, segment_length
from service.planning.signatures import task_bank

AT_END: dict[TrialRole, AtEnd] = {
    TrialRole.VERDICT: "model",
    TrialRole.CANDIDATE: "checkpoint",
    TrialRole.INCUMBENT: "checkpoint",
}
"""What is kept of a lane that has reached its end: what others will use, or look at again."""


def segment_order(
    study: StudyState,
    group: Group,
    slot: SlotState,
    *,
    keep: Sequence[TrialState],
    admit: Sequence[TrialState],
    store: CheckpointStore,
    segment_seconds: float,
    most_iterations: int | None = None,
) -> SegmentOrder:
    """Return the order after which the worker of `slot` holds `keep` and `admit`, trained on.

    Args:
        most_iterations: For which the study's budget lasts.
    """
    lanes = [*keep, *admit]
    rungs = study.rungs(group.role)
    iterations = _iterations(study, group, lanes, slot, segment_seconds)
    if most_iterations is not None:
        iterations = min(iterations, most_iterations)
    signature = study.signatures[group.signature]
    bank = task_bank(study.spec, group.role, signature.test_cap)
    evaluate = [
        trial
        for trial in lanes
        if _next_evaluation(trial, rungs) == trial.meta_iteration + iterations
    ]
    return SegmentOrder(
        signature=signature.to_json(),
        study_id=study.study_id,
        evict=sorted(slot.held - {trial.trial_id for trial in keep}),
        admit=[_admit(study, trial, store) for trial in admit],
        iterations=iterations,
        evaluate=[trial.trial_id for trial in evaluate],
        bank=bank.to_json(),
        checkpoint_directory=store.directory(study.study_id),
        ahead=lane_iterations_ahead(study, group),
        fewer_tasks=_fewer_tasks(study, evaluate, iterations, of=bank.tasks),
        measure=study.spec.measured(),
        at_end=AT_END.get(TrialRole(group.role), "nothing"),
    )


def _iterations(
    study: StudyState,
    group: Group,
    lanes: Sequence[TrialState],
    slot: SlotState,
    segment_seconds: float,
) -> int:
    ages, end = [trial.meta_iteration for trial in lanes], study.horizon(group.role)
    if any(age >= end for age in ages):
        return 0  # trained before, to be scored on more tasks; others train on after that
    return segment_length(
        ages, study.stops(group.role), seconds=slot.seconds, segment_seconds=segment_seconds
    )


def _next_evaluation(trial: TrialState, rungs: Sequence[int]) -> int:
    at_end = trial.meta_iteration >= rungs[-1]
    return trial.meta_iteration if at_end else next_rung(trial.meta_iteration, rungs)


def lane_iterations_ahead(study: StudyState, group: Group) -> int:
    """Return about how many meta-iterations lanes of the group's signature will still train.

    Trials not asked for yet, and finalists, are taken to have the signatures of the open ones.
    """
    pruning = study.spec.pruning
    kept = pruning.rule().kept_share(pruning.options())
    of_branch = [t for t in pauses.going_on(study, group.role) if t.group.branch == group.branch]
    open_now = sum(ahead_in(study, t, group, t.meta_iteration, kept) for t in of_branch)
    if group.role not in SEARCH_ROLES:
        return round(open_now)
    trials, trainings = study.branches[group.branch].remaining, study.spec.verdict.trainings()
    coming = sum(
        trials * ahead_in(study, t, group, 0, kept) + trainings * ahead_in(study, t, group, 0, 1.0)
        for t in of_branch
    )
    return round(open_now + coming / max(1, len(of_branch)))


def _fewer_tasks(
    study: StudyState, evaluate: Sequence[TrialState], iterations: int, *, of: int
) -> dict[str, int]:
    """Return on how many tasks of their bank those lanes are scored that have not all."""
    tasks = {
        trial.trial_id: _tasks(study, trial, trial.meta_iteration + iterations)
        for trial in evaluate
    }
    return {trial_id: count for trial_id, count in tasks.items() if count < of}


def _tasks(study: StudyState, trial: TrialState, meta_iteration: int) -> int:
    if trial.bank_tasks is not None:
        return trial.bank_tasks
    if trial.group.role == TrialRole.SEARCH:
        return bank_tasks(study.spec, meta_iteration)
    return task_bank(study.spec, trial.group.role, 0).tasks


def _admit(study: StudyState, trial: TrialState, store: CheckpointStore) -> Admit:
    role = trial.group.role
    return Admit(
        trial_id=trial.trial_id,
        params=trained_params(study.spec_of(role), trial.params, trial.meta_iteration),
        seed=trial.seed,
        horizon=study.horizon(role),
        checkpoint=store.path_of(trial.checkpoint),
        digest=trial.digest,
    )
