"""New trials: made here and nowhere else.

    a point of a sampler, a finalist …  ──new──▶ trained from the beginning
    a trial of the gates that has ended ──look_again──▶ the same weights, scored on more tasks

They exist once the ledger has written them.
"""

import uuid

from service.dispatcher.groups import group_of
from service.dispatcher.state import StudyState, TrialState
from service.wire.spec.compare import Configuration


def new(
    study: StudyState,
    role: str,
    configuration: Configuration,
    *,
    trial_number: int,
    seed: int,
    source: int | None = None,
    bank_tasks: int | None = None,
) -> TrialState:
    """A queued trial that begins with meta-iteration 0.

    Args:
        study, role: Whose, and why it is made (`service.db.roles`).
        configuration: What it trains.
        trial_number: Of no other trial of the study.
        seed: Of its training.
        source: Number of the trial that it repeats.
        bank_tasks: On how many tasks of its bank it is scored, where that grows.
    """
    branch, params = configuration
    return TrialState(
        trial_id=_new_id(trial_number),
        trial_number=trial_number,
        group=group_of(study, role, branch, params, 0),
        params=params,
        seed=seed,
        source_trial_number=source,
        bank_tasks=bank_tasks,
    )


def look_again(trial: TrialState, *, trial_number: int, bank_tasks: int) -> TrialState:
    """A queued trial that begins at the end of another, to be scored on more tasks."""
    return TrialState(
        trial_id=_new_id(trial_number),
        trial_number=trial_number,
        group=trial.group,
        params=trial.params,
        seed=trial.seed,
        source_trial_number=trial.source_trial_number,
        meta_iteration=trial.meta_iteration,
        checkpoint=trial.checkpoint,
        checkpoint_sha256=trial.checkpoint_sha256,
        previous_checkpoint=trial.previous_checkpoint,
        previous_sha256=trial.previous_sha256,
        previous_meta_iteration=trial.previous_meta_iteration,
        bank_tasks=bank_tasks,
    )


def _new_id(trial_number: int) -> str:
    # Trials that are made together change together: so do their ids, by which rows are indexed.
    return f"{trial_number:08x}{uuid.uuid4().hex[8:]}"


def next_number(study: StudyState) -> int:
    """A number that no trial of the study has."""
    return 1 + max(study.trials, default=-1)
