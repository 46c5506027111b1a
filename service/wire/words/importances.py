"""Importances in rows and words, the same in figures and tables."""

from typing import NamedTuple

from service.wire.views.report import BranchImportances, Importance, PairImportance
from service.wire.words import numbers

NO_MORE = "no more than chance"


class Row(NamedTuple):
    """A parameter or a pair of them, with the share and whether that is more than chance."""

    label: str
    share: float
    low: float
    high: float
    chance: float | None
    more_than_chance: bool | None


def rows(branch: BranchImportances) -> list[Row]:
    """Parameters that are more than chance, pairs that are, then what is no more than chance."""
    alone = [_row(entry.parameter, entry, entry.more_than_chance) for entry in branch.parameters]
    pairs = [_row(" × ".join(entry.parameters), entry, True) for entry in branch.pairs]
    more = [row for row in alone if row.more_than_chance is not False]
    return [*more, *pairs, *(row for row in alone if row.more_than_chance is False)]


def answer(row: Row) -> str:
    """Whether the share is more than chance; nothing of a report from before that was tested."""
    if row.more_than_chance is None:
        return ""
    limit = "" if row.chance is None else f" (up to {numbers.share(row.chance)})"
    return f"more than chance{limit}" if row.more_than_chance else f"{NO_MORE}{limit}"


def too_few(branch: str, ended: int, needed: int) -> str:
    """Why a branch has no importances yet."""
    have = "has" if ended == 1 else "have"
    return f"too few trials to tell: {ended} of {branch} {have} ended, about {needed} are needed"


def _row(label: str, entry: Importance | PairImportance, more: bool | None) -> Row:
    return Row(label, entry.share, entry.low, entry.high, entry.chance, more)
