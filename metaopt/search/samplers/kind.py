"""A sampler's declaration, and what it is made for and can do.

    KIND = SamplerKind("toy", make, adaptive=True)      one file, one record

A declaration loads neither Optuna, numpy nor torch: whoever only names samplers and checks specs
(wire, client, command line) reads it too.  What a sampler needs is imported when it is made.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from metaopt.goals import Goals
from metaopt.keys import key
from metaopt.search.samplers.history import End, Params
from metaopt.search.space import Dimension


@dataclass(frozen=True)
class Problem:
    """What a branch's sampler is made for.

    Args:
        space: What is searched, by name; the order of the names matters.
        goals: Objectives and constraints.
        study_seed: Seed of the whole study.
        branch: Name of the branch.
        startup_trials: Trials that must have ended before a model is trusted.
        grid_points: Values that a grid takes of a range of real numbers.
    """

    space: Mapping[str, Dimension]
    goals: Goals
    study_seed: int
    branch: str
    startup_trials: int
    grid_points: int

    def seed(self, index: int) -> int:
        """Seed of ask `index`."""
        return key(self.study_seed, self.branch, "ask", index) % 2**32

    def seed_of(self, part: str) -> int:
        """Seed of what a sampler draws once for the whole branch, as a sequence or an order."""
        return key(self.study_seed, self.branch, part) % 2**32


class Sampler(Protocol):
    """Suggests points of one branch; asks are counted from 0.

    `suggest` is followed by `begin` with what it returned; a replay calls `begin` alone, with what
    the log says.  A suggestion is a function of the seed of its ask and of the calls before it.
    """

    def suggest(self, index: int) -> Params:
        """A point for ask `index`."""
        ...

    def begin(self, index: int, params: Params) -> None:
        """Count the trial as running."""
        ...

    def tell(self, index: int, end: End) -> None:
        """Take in how the trial ended; one that was paused may end again."""
        ...


@runtime_checkable
class SlowSampler(Sampler, Protocol):
    """A sampler some of whose asks are found in another thread, by a copy of it."""

    def slow_asks(self, index: int, count: int) -> int:
        """How many of the `count` asks from `index` on would keep the caller waiting."""
        ...

    def copy(self) -> Sampler:
        """A copy that serves the slow asks, and that later calls here do not change."""
        ...


def _any_problem(problem: Problem) -> str | None:
    return None


def _endless(problem: Problem) -> int | None:
    return None


@dataclass(frozen=True)
class SamplerKind:
    """A sampler by name.

    Args:
        name: As a spec names it.
        make: Makes the sampler of a problem that `check` lets pass.
        adaptive: Whether results change what it suggests.
        options: Fields of a spec's `search` that it reads.
        several: Whether it searches for several objectives.
        slow: Whether some asks take long; then `make` returns a `SlowSampler`.
        check: Why it cannot search this space, with the ways out, or None if it can.
        limit: How many asks there can be, or None if any number.
    """

    name: str
    make: Callable[[Problem], Sampler]
    adaptive: bool
    options: tuple[str, ...] = ()
    several: bool = False
    slow: bool = False
    check: Callable[[Problem], str | None] = _any_problem
    limit: Callable[[Problem], int | None] = _endless
