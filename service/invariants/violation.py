"""A violation: what a check finds wrong."""

from typing import NamedTuple


class Violation(NamedTuple):
    """One thing that cannot be if nothing was lost, doubled or changed.

    Args:
        rule: Which invariant, as `docs/faults.md` lists them.
        where: Of which study, trial, file or process.
        what: What is wrong, as a sentence.
    """

    rule: str
    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}"
