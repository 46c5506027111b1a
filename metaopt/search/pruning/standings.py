"""Standings: the trials that were scored at a rung, the best first, kept in order as they come.

Deb's rule where there are constraints: first those that break none, by what is compared, then the
others by how badly.  A trial's rank at a rung never changes, so one more costs a bisection.
"""

import math
from bisect import bisect_left, insort
from collections import ChainMap
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from metaopt.errors import InvalidSearch


class Rank(NamedTuple):
    """What trials at a rung are ordered by; less is better.

    Args:
        violation: How badly the constraints are broken (`Goals.violation`); 0 is not at all.
        loss: What is compared among those that break none.

    Raises:
        InvalidSearch: One is not finite (`checked`).
    """

    violation: float
    loss: float

    @property
    def key(self) -> tuple[float, float]:
        """The order of ranks: among those that break constraints nothing else is compared."""
        return self.violation, 0.0 if self.violation > 0 else self.loss


class Standings:
    """The trials of a rung in order; equals by their numbers.

    Args:
        losses: By trial number, of trials that break no constraint.
    """

    def __init__(self, losses: Mapping[int, float] | None = None) -> None:
        self._ranks: ChainMap[int, Rank] = ChainMap({})
        self._best_first: list[tuple[float, float, int]] = []
        for number, loss in (losses or {}).items():
            self.add(number, Rank(0.0, loss))

    def __len__(self) -> int:
        return len(self._best_first)

    def __contains__(self, trial_number: int) -> bool:
        return trial_number in self._ranks

    def add(self, trial_number: int, rank: Rank) -> None:
        """Take in a trial.

        Raises:
            InvalidSearch: Its rank is not finite: it cannot be ordered.
        """
        if not all(map(math.isfinite, rank)):
            raise InvalidSearch("scores of a rung must be finite")
        self._ranks[trial_number] = rank
        insort(self._best_first, (*rank.key, trial_number))

    def with_arrivals(self, arrivals: Iterable[tuple[int, Rank]]) -> "Standings":
        """Standings with trials that just came; these stay as they are."""
        others = Standings()
        others._ranks = self._ranks.new_child()
        others._best_first = self._best_first.copy()
        for trial_number, rank in arrivals:
            others.add(trial_number, rank)
        return others

    def rank_of(self, trial_number: int) -> Rank:
        """What the trial is ordered by.

        Raises:
            InvalidSearch: It was not scored at this rung.
        """
        if trial_number not in self._ranks:
            raise InvalidSearch(f"trial {trial_number} was not scored at this rung")
        return self._ranks[trial_number]

    @property
    def best(self) -> Rank:
        """What the best is ordered by."""
        return self._ranks[self._best_first[0][-1]]

    def place_of(self, trial_number: int) -> int:
        """The trial's place, from 0."""
        return bisect_left(self._best_first, (*self.rank_of(trial_number).key, trial_number))

    def numbers(self, first: int, end: int) -> list[int]:
        """The trials in places `first` to `end`, without that at `end`."""
        return [number for *_, number in self._best_first[max(0, first) : max(0, end)]]

    def is_behind(self, trial_number: int, place: int) -> bool:
        """Whether the trial is truly worse than the one in that place; equals are not."""
        return self.rank_of(trial_number).key > self._best_first[place][:2]
