"""Orders: what to tell a worker, from the lanes it should have.  Pure functions."""

from collections.abc import Sequence

from metaopt.search.pruning import kept_share
from service.db.states import TrialRole
from service.dispatcher import promotion
from service.dispatcher.checkpoints import CheckpointStore
from service.dispatcher.programs import task_bank
from service.dispatcher.rungs import expected_iterations, next_rung, segment_length
from service.dispatcher.state import Group, SlotState, StudyState, TrialState
from service.executors.base import Admit, SegmentOrder


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
        rungs,
        seconds=slot.seconds,
        segment_seconds=segment_seconds,
    )
    if most_iterations is not None:
        iterations = min(iterations, most_iterations)
    signature = study.signatures[group.signature]
    bank = task_bank(study.spec, group.role, signature.test_cap)
    return SegmentOrder(
        signature=signature.to_json(),
        study_id=study.study_id,
        evict=sorted(slot.held - {trial.trial_id for trial in keep}),
        admit=[_admit(study, trial, store) for trial in admit],
        iterations=iterations,
        evaluate=[
            trial.trial_id
            for trial in lanes
            if trial.meta_iteration + iterations == next_rung(trial.meta_iteration, rungs)
        ],
        bank=bank.to_json(),
        checkpoint_directory=store.directory(study.study_id),
        ahead=lane_iterations_ahead(study, group),
    )


def lane_iterations_ahead(study: StudyState, group: Group) -> int:
    """Return about how many meta-iterations lanes of the group's signature will still train.

    Trials not asked for yet, and finalists, are taken to have the signatures of the open ones.
    """
    rungs, pruning = study.rungs(group.role), study.spec.pruning
    kept = kept_share(pruning.kind, pruning.reduction, pruning.percentile)
    of_branch = [t for t in promotion.going_on(study, group.role) if t.group.branch == group.branch]
    alike = [trial for trial in of_branch if trial.group == group]
    open_now = sum(expected_iterations(trial.meta_iteration, rungs, kept) for trial in alike)
    if group.role == TrialRole.VERDICT:
        return round(open_now)
    coming = study.branches[group.branch].remaining * expected_iterations(0, rungs, kept)
    coming += study.spec.verdict.trainings() * study.spec.budget.meta_iterations
    return round(open_now + coming * len(alike) / max(1, len(of_branch)))


def _admit(study: StudyState, trial: TrialState, store: CheckpointStore) -> Admit:
    return Admit(
        trial_id=trial.trial_id,
        params=dict(trial.params),
        seed=trial.seed,
        horizon=study.spec.budget.meta_iterations,
        checkpoint=store.path_of(trial.checkpoint),
        digest=trial.digest,
    )
