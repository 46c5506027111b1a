"""Branches: one algorithm's search, as asks and tells that can be replayed.

    ask(n) ──▶ running ──tell(n, outcome)──▶ completed | pruned | diverged | failed | cancelled
                   └──tell(n, paused)──▶ pruned as far as it came, until it is told again

A suggestion is a function of (study seed, branch, ask index) and of the asks and tells before
it.  The caller logs both in their order; `replay` with that log gives a search that suggests
the same bits from there on.  What each sampler makes of an end is said where it is.

A search minimises: the caller turns scores into losses (`Goals.loss`) before it tells them.

Some asks take up to a second.  `slow_asks` says so beforehand, and `later` returns a function that
finds the points in another thread, from what is known now; `restore` then counts them as asked.
For the log such an ask lies where `later` was called: before every tell that came since.

Whatever a sampler raises, and a suggestion outside the space, ends no search: it goes on with
random points (`metaopt.search.samplers.fallback`).  The log says of which asks that is so, so a
search that is rebuilt draws the same points, whether its sampler fails again or not.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from metaopt.errors import InvalidSearch, in_words
from metaopt.goals import Goals
from metaopt.search.samplers.fallback import random_point, within
from metaopt.search.samplers.history import Params, end_of
from metaopt.search.samplers.kind import Problem, Sampler, SlowSampler
from metaopt.search.samplers.registry import SAMPLERS, check_searchable
from metaopt.search.space import Dimension, contains

LOSS_ALONE = Goals(maximize=False)
FAILED_BEFORE = "it had failed before its log was read"


class Suggestion(NamedTuple):
    """A point, and why it is a random one, if its sampler has failed."""

    params: Params
    failure: str | None = None


class LogEntry(NamedTuple):
    """One ask or tell, as the caller logged it.

    Args:
        kind: "ask" or "tell".
        trial_number: The caller's number of the trial.
        params: The point that `ask` gave; names beside the searched ones are ignored.
        random: Of an ask: the sampler had failed.
        outcome, loss, meta_iteration, losses, metrics: The arguments of `tell`.
    """

    kind: Literal["ask", "tell"]
    trial_number: int
    params: Mapping[str, Any] | None = None
    outcome: str | None = None
    loss: float | None = None
    meta_iteration: int | None = None
    losses: Mapping[int, float] | None = None
    metrics: Mapping[str, float] | None = None
    random: bool = False


class BranchSearch:
    """The search of one branch.

    Args:
        space: What is searched, by parameter name.
        sampler: Name of one of `metaopt.search.samplers.registry.SAMPLERS`.
        study_seed: Seed of the whole study.
        branch: Name of the branch.
        startup_trials: Trials before a sampler begins to model.
        grid_points: Values that `grid` takes of a range of real numbers.
        goals: Objectives and constraints; the first objective is told as a loss.

    Raises:
        InvalidSearch: no such sampler, one that cannot search this space or for these goals, or a
            negative `startup_trials`.
    """

    def __init__(
        self,
        space: Mapping[str, Dimension],
        *,
        sampler: str,
        study_seed: int,
        branch: str,
        startup_trials: int,
        grid_points: int = 5,
        goals: Goals = LOSS_ALONE,
    ) -> None:
        """Begin a search without trials."""
        if startup_trials < 0:
            raise InvalidSearch(f"startup_trials must be >= 0, got {startup_trials}")
        self._space = {name: space[name] for name in sorted(space)}
        self._indices: dict[int, int] = {}  # of asks, by trial number
        self._running: set[int] = set()  # also those that are paused
        self._goals = goals
        self._problem = Problem(self._space, goals, study_seed, branch, startup_trials, grid_points)
        self.failure: str | None = None
        """Why points are random ones from now on; None while the sampler works."""
        self.limit: int | None = None
        check_searchable(sampler, self._problem)
        kind = SAMPLERS.get(sampler)
        self._sampler: Sampler | None = None
        self._slow: SlowSampler | None = None
        try:
            self.limit = kind.limit(self._problem)
            self._sampler = kind.make(self._problem)
            if kind.slow:
                assert isinstance(self._sampler, SlowSampler), f"{kind.name} says that it is slow"
                self._slow = self._sampler
        except Exception as error:
            self.fall_back(in_words(error))

    @property
    def asks(self) -> int:
        """Number of trials that have been asked for."""
        return len(self._indices)

    def fall_back(self, failure: str) -> None:
        """Draw random points from now on, since the sampler has failed; the first failure counts.

        What made a sampler fail is told nobody here: a caller finds it in `failure`.
        """
        self.failure = self.failure or failure
        self._sampler = self._slow = None

    def ask(self, trial_number: int) -> Params:
        """The searched parameters of a new trial, which runs until it is told.

        Raises:
            InvalidSearch: the number was asked for before, or all points of a grid were.
        """
        self._check_new(trial_number)
        if self.limit is not None and self.asks >= self.limit:
            raise InvalidSearch(f"the grid's {self.limit} points have all been asked for")
        index = self.asks
        found = _suggested(self._sampler, self._problem, index) if self._sampler else None
        if isinstance(found, _Failed):
            self.fall_back(found.cause)
        self._add(trial_number)
        return found if isinstance(found, dict) else random_point(self._problem, index)

    def slow_asks(self, count: int) -> int:
        """How many of the next `count` asks would keep the caller waiting."""
        if self._slow is None:
            return 0
        try:
            return min(count, max(0, int(self._slow.slow_asks(self.asks, count))))
        except Exception as error:
            self.fall_back(in_words(error))
            return 0

    def later(self, count: int) -> Callable[[Callable[[], bool]], list[Suggestion]]:
        """A function that finds the points of the next `count` asks, all of them slow.

        It may run in any thread, once; nothing else may be asked for until its points have been
        given to `restore` in their order.  It is handed a function that says whether to stop, and
        then returns the points it has.  From where the sampler fails, they are random ones.
        """
        assert self._slow is not None, "slow_asks has said that none of these is slow"
        problem, first = self._problem, self.asks
        copied = _copied(self._slow)

        def find(stopped: Callable[[], bool]) -> list[Suggestion]:
            points: list[Suggestion] = []
            sampler = copied
            for index in range(first, first + count):
                if stopped():
                    break
                found = _suggested(sampler, problem, index)
                if isinstance(found, _Failed):
                    sampler = found
                    points.append(Suggestion(random_point(problem, index), found.cause))
                else:
                    points.append(Suggestion(found))
            return points

        return find

    def restore(
        self, trial_number: int, params: Mapping[str, Any], *, failure: str | None = None
    ) -> None:
        """Count a trial as asked for with these parameters, and running.

        Args:
            trial_number, params: Of the trial.
            failure: Why its point is a random one, if its sampler had failed.

        Raises:
            InvalidSearch: the number was asked for before, or the parameters do not fit the space.
        """
        if failure:
            self.fall_back(failure)
        self._check_new(trial_number)
        missing = sorted(set(self._space) - set(params))
        if missing:
            raise InvalidSearch(f"trial {trial_number} has no value for {missing[0]!r} in the log")
        own = {name: params[name] for name in self._space}
        for name, value in own.items():
            if not contains(self._space[name], value):
                raise InvalidSearch(
                    f"trial {trial_number} in the log: {name} {value!r} is not in "
                    f"{self._space[name]}"
                )
        self._begin(own)
        self._add(trial_number)

    def tell(
        self,
        trial_number: int,
        outcome: str,
        loss: float | None = None,
        meta_iteration: int | None = None,
        losses: Mapping[int, float] | None = None,
        metrics: Mapping[str, float] | None = None,
    ) -> None:
        """Tell how a trial ended.

        Args:
            trial_number: A running or paused trial of this branch.
            outcome: completed, pruned, paused, diverged, failed or cancelled.  A paused trial may
                go on and be told again; in between it counts as pruned.
            loss: Finite; needed where completed, pruned or paused, ignored otherwise.
            meta_iteration: Where it was measured; needed where pruned or paused.
            losses: All of the trial so far by meta-iteration, from which gp, cma-es and auto choose
                a rung to compare trials at; `loss` alone where not given.
            metrics: What else was measured; needs every objective where there is a loss and there
                are several.

        Raises:
            InvalidSearch: unknown outcome, trial not running, loss or objective missing or not
                finite.
        """
        self._check_running(trial_number)
        end = end_of(trial_number, outcome, loss, meta_iteration, losses, metrics)
        goals = self._goals
        if goals.several and end.loss is not None and goals.values(end.loss, end.metrics) is None:
            needed = ", ".join(goals.objectives[1:])
            raise InvalidSearch(f"trial {trial_number} {outcome} needs its {needed}")
        if self._sampler is not None:
            try:
                self._sampler.tell(self._indices[trial_number], end)
            except Exception as error:
                self.fall_back(in_words(error))
        if outcome != "paused":
            self._running.remove(trial_number)

    def _begin(self, params: Params) -> None:
        """Let the sampler know of a trial that runs."""
        if self._sampler is None:
            return
        try:
            self._sampler.begin(self.asks, params)
        except Exception as error:
            self.fall_back(in_words(error))

    def _add(self, trial_number: int) -> None:
        self._indices[trial_number] = len(self._indices)
        self._running.add(trial_number)

    def _check_new(self, trial_number: int) -> None:
        if trial_number in self._indices:
            raise InvalidSearch(f"trial {trial_number} was asked for before")

    def _check_running(self, trial_number: int) -> None:
        if trial_number not in self._indices:
            raise InvalidSearch(f"trial {trial_number} was never asked for in this branch")
        if trial_number not in self._running:
            raise InvalidSearch(f"trial {trial_number} has been told before")


class _Failed(NamedTuple):
    cause: str


def _copied(sampler: SlowSampler) -> "Sampler | _Failed":
    try:
        return sampler.copy()
    except Exception as error:
        return _Failed(in_words(error))


def _suggested(sampler: "Sampler | _Failed", problem: Problem, index: int) -> "Params | _Failed":
    """A point that the sampler suggests and counts as tried; why there is none, whatever it raised.

    One that it cannot count is none of its points either: the log knows only one kind of failure.
    """
    if isinstance(sampler, _Failed):
        return sampler
    try:
        point = within(problem.space, sampler.suggest(index))
        sampler.begin(index, point)
        return point
    except Exception as error:  # it concerns this search only, which goes on without it
        return _Failed(in_words(error))


def replay(
    space: Mapping[str, Dimension],
    log: Iterable[LogEntry],
    *,
    sampler: str,
    study_seed: int,
    branch: str,
    startup_trials: int,
    grid_points: int = 5,
    goals: Goals = LOSS_ALONE,
) -> BranchSearch:
    """The search that the asks and tells of `log` lead to.

    Nothing is sampled: the logged parameters are taken as they are.

    Raises:
        InvalidSearch: the log does not fit the space or contradicts itself.
    """
    search = BranchSearch(
        space,
        sampler=sampler,
        study_seed=study_seed,
        branch=branch,
        startup_trials=startup_trials,
        grid_points=grid_points,
        goals=goals,
    )
    for entry in log:
        if entry.kind == "ask":
            failure = FAILED_BEFORE if entry.random else None
            search.restore(entry.trial_number, entry.params or {}, failure=failure)
        else:
            search.tell(
                entry.trial_number,
                entry.outcome or "",
                entry.loss,
                entry.meta_iteration,
                entry.losses,
                entry.metrics,
            )
    return search
