"""Branches: one algorithm's search, as asks and tells that can be replayed.

    ask(n) ──▶ running ──tell(n, outcome)──▶ completed | pruned | diverged | failed | cancelled
                   └──tell(n, paused)──▶ pruned as far as it came, until it is told again

A suggestion is a function of (study seed, branch, ask index) and of the asks and tells before
it.  The caller logs both in their order; `replay` with that log gives a search that suggests
the same bits from there on.  Optuna's study lives in memory only.

What the sampler is told:

    completed  its score
    pruned     its last score, at the meta-iteration where that was measured
    diverged   pruned at meta-iteration 0 with a finite worst score: TPE ranks it below every
               trial that came further (told as completed, it would rank above all pruned ones)
    failed, cancelled   that the trial says nothing about its point
"""

import copy
import logging
import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import TrialState, create_trial

from metaopt.errors import InvalidSearch, MetaoptError
from metaopt.keys import key
from metaopt.metaparams import Value
from metaopt.search.samplers import make_sampler
from metaopt.search.space import Dimension, distribution

OUTCOMES = ("completed", "pruned", "paused", "diverged", "failed", "cancelled")

# Optuna announces every study on stderr otherwise; its warnings still pass.
logging.getLogger("optuna").setLevel(logging.WARNING)


@dataclass(frozen=True)
class LogEntry:
    """One ask or tell, as the caller logged it.

    Args:
        kind: "ask" or "tell".
        trial_number: The caller's number of the trial.
        params: What `ask` returned; other names beside the searched ones are ignored.
        outcome, value, meta_iteration: What was given to `tell`.
    """

    kind: Literal["ask", "tell"]
    trial_number: int
    params: Mapping[str, Any] | None = None
    outcome: str | None = None
    value: float | None = None
    meta_iteration: int | None = None


class BranchSearch:
    """The search of one branch.

    Args:
        space: What is searched, by parameter name.
        sampler: "random" or "tpe".
        maximize: Whether a higher score is better.
        study_seed: Seed of the whole study.
        branch: Name of the branch.
        startup_trials: Random trials before `tpe` begins to model.

    Raises:
        InvalidSearch: no such sampler, or a negative `startup_trials`.
    """

    def __init__(
        self,
        space: Mapping[str, Dimension],
        *,
        sampler: str,
        maximize: bool,
        study_seed: int,
        branch: str,
        startup_trials: int,
    ) -> None:
        """Begin a search without trials."""
        if startup_trials < 0:
            raise InvalidSearch(f"startup_trials must be >= 0, got {startup_trials}")
        self._distributions: dict[str, BaseDistribution] = {
            name: distribution(space[name]) for name in sorted(space)
        }
        self._sampler = sampler
        self._startup_trials = startup_trials
        self._maximize = maximize
        self._seed_parts = (study_seed, branch)
        self._numbers: dict[int, int] = {}  # ours -> Optuna's
        self._running: set[int] = set()  # ours, also those that are paused
        self._paused: set[int] = set()
        self._scores: list[float] = []
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=branch,
            sampler=self._fresh_sampler(),
            pruner=optuna.pruners.NopPruner(),
            direction="maximize" if maximize else "minimize",
        )
        self._optuna_study_id = self._storage.get_study_id_from_name(branch)

    @property
    def asks(self) -> int:
        """Return how many trials have been asked for."""
        return len(self._numbers)

    def ask(self, trial_number: int) -> dict[str, Value]:
        """Return the searched parameters of a new trial, which runs until it is told.

        Raises:
            InvalidSearch: the number was asked for before, or the sampler failed.
        """
        self._check_new(trial_number)
        with _sampling(f"trial {trial_number} cannot be asked for"):
            self._study.sampler = self._fresh_sampler()
            trial = self._study.ask(fixed_distributions=self._distributions)
        self._add(trial_number)
        return dict(trial.params)

    def give(self, trial_number: int, params: Mapping[str, Value]) -> dict[str, Value]:
        """Begin a trial at a point of the caller's, as if the sampler had suggested it.

        Raises:
            InvalidSearch: the number was asked for before, or the point is not in the space.
        """
        self._restore(trial_number, params)
        return {name: params[name] for name in self._distributions}

    def tell(
        self,
        trial_number: int,
        outcome: str,
        value: float | None = None,
        meta_iteration: int | None = None,
    ) -> None:
        """Say how a trial ended.

        Args:
            trial_number: A running or paused trial of this branch.
            outcome: completed, pruned, paused, diverged, failed or cancelled.  A paused trial may
                go on and be told again; in between it counts as pruned.
            value: Finite score; needed where completed, pruned or paused, ignored otherwise.
            meta_iteration: Where it was measured; needed where pruned or paused.

        Raises:
            InvalidSearch: unknown outcome, trial not running, score missing or not finite, or
                the sampler failed.
        """
        self._check_running(trial_number)
        if outcome not in OUTCOMES:
            raise InvalidSearch(f"outcome must be one of {', '.join(OUTCOMES)}, got {outcome!r}")
        with _sampling(f"trial {trial_number} cannot be told"):
            if trial_number in self._paused:
                self._reopen(trial_number)
            self._tell(trial_number, outcome, value, meta_iteration)
        if outcome == "paused":
            self._paused.add(trial_number)
        else:
            self._running.remove(trial_number)

    def _reopen(self, trial_number: int) -> None:
        # Optuna has no word for a pruned trial that goes on; the study in memory is ours alone.
        self._paused.remove(trial_number)
        number = self._numbers[trial_number]
        trial_id = self._trial_id(number)
        trial = copy.copy(self._storage.get_trial(trial_id))
        trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
        self._storage._set_trial(trial_id, trial)

    def _tell(
        self, trial_number: int, outcome: str, value: float | None, meta_iteration: int | None
    ) -> None:
        number = self._numbers[trial_number]
        if outcome in ("failed", "cancelled"):
            self._study.tell(number, state=TrialState.FAIL)
        elif outcome == "diverged":
            worst = worst_value(self._scores, maximize=self._maximize)
            self._tell_score(number, trial_number, "pruned", worst, 0)
        else:
            score = _finite_score(trial_number, outcome, value)
            self._tell_score(number, trial_number, outcome, score, meta_iteration)
            self._scores.append(score)

    def _tell_score(
        self, number: int, trial_number: int, outcome: str, score: float, step: int | None
    ) -> None:
        if outcome == "completed":
            self._study.tell(number, score)
            return
        if step is None:
            raise InvalidSearch(f"trial {trial_number} {outcome} needs its meta_iteration")
        trial_id = self._trial_id(number)
        self._storage.set_trial_intermediate_value(trial_id, step, score)
        self._study.tell(number, state=TrialState.PRUNED)  # takes the last intermediate value

    def _trial_id(self, number: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._optuna_study_id, number)

    def _restore(self, trial_number: int, params: Mapping[str, Any]) -> None:
        self._check_new(trial_number)
        missing = sorted(set(self._distributions) - set(params))
        if missing:
            raise InvalidSearch(f"trial {trial_number} has no value for {missing[0]!r} in the log")
        try:
            trial = create_trial(
                state=TrialState.RUNNING,
                params={name: params[name] for name in self._distributions},
                distributions=self._distributions,
            )
        except ValueError as error:
            raise InvalidSearch(f"trial {trial_number} in the log: {error}") from None
        self._study.add_trial(trial)
        self._add(trial_number)

    def _add(self, trial_number: int) -> None:
        self._numbers[trial_number] = len(self._numbers)
        self._running.add(trial_number)

    def _fresh_sampler(self) -> optuna.samplers.BaseSampler:
        seed = key(*self._seed_parts, "ask", self.asks) % 2**32
        return make_sampler(self._sampler, seed=seed, startup_trials=self._startup_trials)

    def _check_new(self, trial_number: int) -> None:
        if trial_number in self._numbers:
            raise InvalidSearch(f"trial {trial_number} was asked for before")

    def _check_running(self, trial_number: int) -> None:
        if trial_number not in self._numbers:
            raise InvalidSearch(f"trial {trial_number} was never asked for in this branch")
        if trial_number not in self._running:
            raise InvalidSearch(f"trial {trial_number} has been told before")


@contextmanager
def _sampling(failure: str) -> Iterator[None]:
    try:
        yield
    except (MetaoptError, MemoryError, OSError):
        raise
    except Exception as error:  # whatever a sampler raises, it concerns this search only
        raise InvalidSearch(f"{failure}: {type(error).__name__}: {error}") from error


def _finite_score(trial_number: int, outcome: str, value: float | None) -> float:
    if value is None or not math.isfinite(value):
        raise InvalidSearch(f"trial {trial_number} {outcome} needs a finite score, got {value}")
    return value


def replay(
    space: Mapping[str, Dimension],
    log: Iterable[LogEntry],
    *,
    sampler: str,
    maximize: bool,
    study_seed: int,
    branch: str,
    startup_trials: int,
) -> BranchSearch:
    """Return the search that the asks and tells of `log` lead to.

    Nothing is sampled: the logged parameters are taken as they are.

    Raises:
        InvalidSearch: the log does not fit the space or contradicts itself.
    """
    search = BranchSearch(
        space,
        sampler=sampler,
        maximize=maximize,
        study_seed=study_seed,
        branch=branch,
        startup_trials=startup_trials,
    )
    for entry in log:
        if entry.kind == "ask":
            search._restore(entry.trial_number, entry.params or {})
        else:
            search.tell(entry.trial_number, entry.outcome or "", entry.value, entry.meta_iteration)
    return search


def worst_value(scores: Iterable[float], *, maximize: bool) -> float:
    """Return the finite score a diverged trial is told as, given those measured before it.

    Where less is better (errors, >= 0): ten times the greatest score, at least 10.  Where more
    is better (accuracies, >= 0): zero, or the lowest score if that is lower.  Penalties are not
    scores, so they do not grow from one diverged trial to the next.
    """
    if maximize:
        return min([0.0, *scores])
    return min(10.0 * max([1.0, *scores]), sys.float_info.max)
