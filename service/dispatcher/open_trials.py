"""Open trials: the numbers of those that have not ended, sorted by what they are about to do.

    running   a slot trains it
    ready     queued, and a slot may take it
    waiting   queued at a rung, where its rank does not let it go on (`…pruning.pauses`)

They are sorted when they move, not when somebody asks: with asha most trials of a long search wait,
and what a report costs must not grow with them.  Which kind a trial is of is the caller's to say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Kind = Literal["running", "ready", "waiting"]
GOING_ON: tuple[Kind, ...] = ("running", "ready")
EVERY_KIND: tuple[Kind, ...] = (*GOING_ON, "waiting")


class Drawer(NamedTuple):
    """What the trials that lie together have in common."""

    kind: Kind
    role: str
    branch: str


class OpenTrials:
    """Numbers of open trials in drawers, of which there are few."""

    def __init__(self) -> None:
        self._drawer_of: dict[int, Drawer] = {}
        self._drawers: defaultdict[Drawer, set[int]] = defaultdict(set)

    def put(self, trial_number: int, drawer: Drawer | None) -> None:
        """Put a trial where it belongs now; nowhere once it has ended."""
        before = self._drawer_of.pop(trial_number, None)
        if before is not None:
            self._drawers[before].discard(trial_number)
        if drawer is not None:
            self._drawer_of[trial_number] = drawer
            self._drawers[drawer].add(trial_number)

    def kind(self, trial_number: int) -> Kind | None:
        """What an open trial is about to do; None if it has ended."""
        drawer = self._drawer_of.get(trial_number)
        return None if drawer is None else drawer.kind

    def count(
        self,
        kinds: Iterable[Kind],
        *,
        roles: Iterable[str] | None = None,
        branch: str | None = None,
    ) -> int:
        """How many there are of some kinds, roles and a branch; None is any."""
        return sum(len(numbers) for numbers in self._of(kinds, roles, branch))

    def numbers(
        self,
        kinds: Iterable[Kind],
        *,
        roles: Iterable[str] | None = None,
        branch: str | None = None,
    ) -> list[int]:
        """Those numbers, rising."""
        return sorted(number for some in self._of(kinds, roles, branch) for number in some)

    def _of(
        self, kinds: Iterable[Kind], roles: Iterable[str] | None, branch: str | None
    ) -> Iterator[set[int]]:
        for drawer, numbers in self._drawers.items():
            fits = drawer.kind in kinds and (roles is None or drawer.role in roles)
            if fits and branch in (None, drawer.branch):
                yield numbers
