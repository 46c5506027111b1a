"""A finding: about what, how it is, and what to do about it.

ok    fine     warn   works, but look at it     fail   does not work
"""

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(NamedTuple):
    """One line: about what, how it is, and what to do about it."""

    level: Level
    subject: str
    text: str
    remedy: str = ""

    def line(self) -> str:
        """The finding as a line."""
        remedy = f" → {self.remedy}" if self.remedy else ""
        return f"{self.level:<5} {self.subject}: {self.text}{remedy}"
