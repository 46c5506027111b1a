"""Generations: a trial's last two checkpoints, as columns of its row and fields of its state.

    (previous, present) ──a newer one──▶ (present, newer)      the one before is deleted
                        └──the same────▶ (previous, present)   it was only looked at again
                        └──given up────▶ (none, previous)      it was damaged, or is not there

A file is only ever read by its digest, and only when a lane is resumed.  So what is damaged is
found out then, and costs the work since the one before.
"""

from typing import Any

from service.dispatcher.state import TrialState

NO_PREVIOUS: dict[str, Any] = {
    "previous_checkpoint": None,
    "previous_sha256": None,
    "previous_meta_iteration": None,
}


def superseded(trial: TrialState, left: str | None) -> dict[str, Any]:
    """What changes of a trial, beside what is reported, once it has left a file.

    Args:
        left: Its name, which says what is in it; None if it has left none.
    """
    if trial.checkpoint is None:
        return NO_PREVIOUS
    if left == trial.checkpoint:
        return {}
    return {
        "previous_checkpoint": trial.checkpoint,
        "previous_sha256": trial.checkpoint_sha256,
        "previous_meta_iteration": trial.meta_iteration,
    }


def given_up(trial: TrialState) -> dict[str, Any]:
    """What changes of a trial whose checkpoint is of no use: it goes on from the one before."""
    return {
        "checkpoint": trial.previous_checkpoint,
        "checkpoint_sha256": trial.previous_sha256,
        "meta_iteration": trial.previous_meta_iteration or 0,
        **NO_PREVIOUS,
    }


def take(trial: TrialState, changed: dict[str, Any]) -> None:
    """Change the state of a trial as its row."""
    for name, value in changed.items():
        setattr(trial, name, value)
