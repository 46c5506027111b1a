"""Orders: what to tell a worker, from the lanes it should have.  Pure functions."""

from collections.abc import Sequence

from metaopt.search.pruning import kept_share
from service.db.states import TrialRole
from service.dispatcher import promotion
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.fidelity import ahead_in
from service.dispatcher.programs import task_bank
from service.dispatcher.rungs import next_rung, segment_length
from service.dispatcher.state import Group, SlotState, StudyState, TrialState
from service.executors.base import Admit, SegmentOrder
from service.wire.fidelity import bank_tasks, trained_params


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
    iterations = segment_length(
        (trial.meta_iteration for trial in lanes),
        study.stops(group.role),
        seconds=slot.seconds,
        segment_seconds=segment_seconds,
    )
    if most_iterations is not None:
        iterations = min(iterations, most_iterations)
    signature = study.signatures[group.signature]
    bank = task_bank(study.spec, group.role, signature.test_cap)
    evaluate = [
        trial
        for trial in lanes
        if trial.meta_iteration + iterations == next_rung(trial.meta_iteration, rungs)
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
    )


def lane_iterations_ahead(study: StudyState, group: Group) -> int:
    """Return about how many meta-iterations lanes of the group's signature will still train.

    Trials not asked for yet, and finalists, are taken to have the signatures of the open ones.
    """
    pruning = study.spec.pruning
    kept = kept_share(pruning.kind, pruning.reduction, pruning.percentile)
    of_branch = [t for t in promotion.going_on(study, group.role) if t.group.branch == group.branch]
    open_now = sum(ahead_in(study, t, group, t.meta_iteration, kept) for t in of_branch)
    if group.role == TrialRole.VERDICT:
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
    """Return on how many tasks of the search's bank those lanes are scored that have not all."""
    tasks = {
        trial.trial_id: bank_tasks(study.spec, trial.meta_iteration + iterations)
        for trial in evaluate
        if trial.group.role == TrialRole.SEARCH
    }
    return {trial_id: count for trial_id, count in tasks.items() if count < of}


def _admit(study: StudyState, trial: TrialState, store: CheckpointStore) -> Admit:
    return Admit(
        trial_id=trial.trial_id,
        params=trained_params(study.spec, trial.params, trial.meta_iteration),
        seed=trial.seed,
        horizon=study.spec.budget.meta_iterations,
        checkpoint=store.path_of(trial.checkpoint),
        digest=trial.digest,
    )
