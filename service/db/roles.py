"""Roles: why a trial was made, and all that follows from it, one row each.

    role        trains afresh                 bank        judged at  as          leaves      paid by
    search      a sampler's point             validation  its rungs  submitted   nothing     search
    replica     a trial of the search         validation  its end    submitted   nothing     search
    verdict     finalists, what is compared   sealed      its end    submitted   its model   study
    candidate   the best finalist             gates       its end    submitted   checkpoint  study
    incumbent   the baseline's configuration  gates       its end    promoted    checkpoint  study

Who asks what to do with a trial asks its row.  A role is named where its trials are made, where a
phase waits for them, and where the search's own trials are meant (rungs are theirs alone); so a
new role is a row here, a revision for the table's CHECK, and its phase.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

BankName = Literal["validation", "sealed", "gates"]
"""Tasks of meta-validation, of the verdict, of the gates; the last two are meta-test tasks."""

Counted = Literal["trials", "replica_trials", "verdict_trials", "gate_trials"]
"""The fields of a study's view that count trials."""


class TrialRole(StrEnum):
    """Why a trial was made: the key of its row in `ROLES`."""

    SEARCH = "search"
    REPLICA = "replica"
    VERDICT = "verdict"
    CANDIDATE = "candidate"
    INCUMBENT = "incumbent"


@dataclass(frozen=True, kw_only=True)
class Role:
    """What holds for all trials of a role.

    Args:
        bank: Which tasks score it.
        judged_at: Whether every rung compares its trials and may stop them, or only their end.
        trained_as: By the spec as it was submitted, or as a baseline was promoted: its model, its
            horizon and its order.
        leaves: What stays on disk of a trial that has completed.
        paid_by_search: Whether the budget of the search pays for it, and may end it.
        told_to_sampler: Whether a sampler asks for its points and is told what becomes of them.
        counts_look: Whether each score is one more look at the sealed tasks.
        counted_as: Under which field of a study's view it is counted.
    """

    bank: BankName
    judged_at: Literal["rungs", "end"] = "end"
    trained_as: Literal["submitted", "promoted"] = "submitted"
    leaves: Literal["nothing", "model", "checkpoint"] = "nothing"
    paid_by_search: bool = False
    told_to_sampler: bool = False
    counts_look: bool = False
    counted_as: Counted


ROLES: Mapping[str, Role] = {
    TrialRole.SEARCH: Role(
        bank="validation",
        judged_at="rungs",
        paid_by_search=True,
        told_to_sampler=True,
        counted_as="trials",
    ),
    TrialRole.REPLICA: Role(bank="validation", paid_by_search=True, counted_as="replica_trials"),
    TrialRole.VERDICT: Role(
        bank="sealed", leaves="model", counts_look=True, counted_as="verdict_trials"
    ),
    TrialRole.CANDIDATE: Role(bank="gates", leaves="checkpoint", counted_as="gate_trials"),
    TrialRole.INCUMBENT: Role(
        bank="gates", trained_as="promoted", leaves="checkpoint", counted_as="gate_trials"
    ),
}


def roles_where(**columns: object) -> frozenset[str]:
    """The roles whose rows have these values, as for the WHERE of a query.

    >>> sorted(roles_where(paid_by_search=True))
    ['replica', 'search']
    """
    return frozenset(
        str(name)
        for name, role in ROLES.items()
        if all(getattr(role, column) == value for column, value in columns.items())
    )
