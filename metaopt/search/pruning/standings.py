"""Standings: the trials that were scored at a rung, the best first, kept in order as they come.

Deb's rule where there are constraints: first those that break none, by what is compared, then the
others by how badly.  A trial's rank at a rung never changes, so one more costs a bisection.
"""

import math
from bisect import bisect_left, insort
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


_Entry = tuple[float, float, int, float]
"""A trial in the order of ranks: the key of its rank, its number, and its loss."""


class Standings:
    """The trials of a rung in order; equals by their numbers.

    Args:
        losses: By trial number, of trials that break no constraint.
    """

    def __init__(self, losses: Mapping[int, float] | None = None) -> None:
        self._entries: dict[int, _Entry] = {}
        self._best_first: list[_Entry] = []
        for number, loss in (losses or {}).items():
            self.add(number, Rank(0.0, loss))

    def __len__(self) -> int:
        return len(self._best_first)

    def __contains__(self, trial_number: int) -> bool:
        return self._find(trial_number) is not None

    def add(self, trial_number: int, rank: Rank) -> None:
        """Take in a trial.

        Raises:
            InvalidSearch: Its rank is not finite: it cannot be ordered.
        """
        if not all(map(math.isfinite, rank)):
            raise InvalidSearch("scores of a rung must be finite")
        entry = (*rank.key, trial_number, rank.loss)
        self._entries[trial_number] = entry
        insort(self._best_first, entry)

    def with_arrivals(self, arrivals: Iterable[tuple[int, Rank]]) -> "Standings":
        """Standings with trials that just came; to be read before these here change."""
        came = Standings()
        for trial_number, rank in arrivals:
            came.add(trial_number, rank)
        return _Together(self, came)

    def rank_of(self, trial_number: int) -> Rank:
        """What the trial is ordered by.

        Raises:
            InvalidSearch: It was not scored at this rung.
        """
        violation, _, _, loss = self._entry(trial_number)
        return Rank(violation, loss)

    @property
    def best(self) -> Rank:
        """What the best is ordered by."""
        violation, _, _, loss = self._at(0)
        return Rank(violation, loss)

    def place_of(self, trial_number: int) -> int:
        """The trial's place, from 0."""
        return self._before(self._entry(trial_number))

    def numbers(self, first: int, end: int) -> list[int]:
        """The trials in places `first` to `end`, without that at `end`."""
        return [self._at(place)[2] for place in range(max(0, first), min(end, len(self)))]

    def is_behind(self, trial_number: int, place: int) -> bool:
        """Whether the trial is truly worse than the one in that place; equals are not."""
        return self._entry(trial_number)[:2] > self._at(place)[:2]

    def _entry(self, trial_number: int) -> _Entry:
        entry = self._find(trial_number)
        if entry is None:
            raise InvalidSearch(f"trial {trial_number} was not scored at this rung")
        return entry

    def _find(self, trial_number: int) -> _Entry | None:
        return self._entries.get(trial_number)

    def _at(self, place: int) -> _Entry:
        return self._best_first[place]

    def _before(self, entry: _Entry) -> int:
        """How many stand before an entry."""
        return bisect_left(self._best_first, entry)


class _Together(Standings):
    """Many trials and some that came, read as one: nothing is copied."""

    def __init__(self, many: Standings, came: Standings) -> None:
        super().__init__()
        self._many, self._came = many, came
        self._places = [index + many._before(entry) for index, entry in enumerate(came._best_first)]

    def __len__(self) -> int:
        return len(self._many) + len(self._came)

    def _find(self, trial_number: int) -> _Entry | None:
        return self._came._find(trial_number) or self._many._find(trial_number)

    def _at(self, place: int) -> _Entry:
        index = bisect_left(self._places, place)
        if index < len(self._places) and self._places[index] == place:
            return self._came._at(index)
        return self._many._at(place - index)

    def _before(self, entry: _Entry) -> int:
        return self._many._before(entry) + self._came._before(entry)
