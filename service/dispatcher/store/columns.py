"""Columns: what a row of `mo_trials` and a trial in memory share, copied by name either way.

A new column that the dispatcher needs is a migration, a field of `Trial`, a field of `TrialState`
of the same name, and where it is set.  Two are not copied as they are: a score is a loss in
memory, and role and branch are parts of a trial's group.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from service.db.states import TrialStatus
from service.db.tables import Spending, Trial
from service.db.trials import Attempted, is_loss
from service.dispatcher.state import Group, Spent, TrialState

SHARED = tuple(
    field.name for field in fields(TrialState) if field.name in Trial.__mapper__.columns.keys()
)

_shared = attrgetter(*SHARED)

READ = (*SHARED, "role", "branch", "score", "finished_at")
"""What `trial_of` and its caller read of a row."""

SUMS = tuple(
    field.name for field in fields(Spent) if field.name in Spending.__mapper__.columns.keys()
)
"""What of a search's spending is in its row; the trials say the rest."""


def sums_of(spent: Spent | Spending) -> dict[str, Any]:
    """The sums that a row of `mo_spending` and what is spent in memory share."""
    return {name: getattr(spent, name) for name in SUMS}


def row_of(
    trial: TrialState, *, study_id: str, ask_index: int | None, created_at: datetime
) -> dict[str, Any]:
    """The row of a new trial."""
    return {
        "study_id": study_id,
        "role": trial.group.role,
        "branch": trial.group.branch,
        "ask_index": ask_index,
        "created_at": created_at,
        **{name: getattr(trial, name) for name in SHARED},
        "metrics": trial.metrics or None,
    }


def trial_of(
    row: Any,
    group: Group,
    attempts: Sequence[Attempted],
    *,
    to_loss: Callable[[float], float],
) -> TrialState:
    """The trial of a row.

    Args:
        row: With the columns of `READ`.
        attempts: At it, in their order.
        to_loss: Turns its score into what is minimised.
    """
    values: dict[str, Any] = dict(zip(SHARED, _shared(row), strict=True))
    values |= {"status": TrialStatus(row.status), "metrics": dict(row.metrics or {})}
    loss = None if row.score is None else to_loss(row.score)
    return TrialState(group=group, loss=loss, **values, **_attempted(row, attempts))


def _attempted(row: Any, attempts: Sequence[Attempted]) -> dict[str, Any]:
    began = [attempt.from_meta_iteration for attempt in attempts]
    reached = [*began[1:], row.meta_iteration]
    losses = [is_loss(attempt) for attempt in attempts]
    return {
        "attempt": len(attempts),
        "begun_at": began[-1] if began else 0,
        "losses": sum(losses),
        "losses_here": sum(
            lost and age == row.meta_iteration for lost, age in zip(losses, reached, strict=False)
        ),
    }
