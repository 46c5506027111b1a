"""Random search and TPE: an Optuna study in memory that lives as long as its branch.

What it is told:

    completed  its score
    pruned     its last score, at the meta-iteration where that was measured; so is a paused one,
               until it is told again
    diverged   pruned at meta-iteration 0 with a finite worst score: TPE ranks it below every
               trial that came further (told as completed, it would rank above all pruned ones)
    failed, cancelled   that the trial says nothing about its point

With constraints it is also told how badly a trial breaks them (`Goals.violation`): TPE ranks those
that do behind all that do not, by that number.  With several objectives Optuna knows no pruned
trials: there these are told as completed, with the values that they had, and as breaking a
constraint of being trained to the end, the less the farther they came.  TPE then ranks completed
trials by domination, pruned ones by how far they came, those that break constraints by how badly,
and at the end those that diverged.
"""

import copy
import logging
import sys
from collections.abc import Callable, Iterable, Mapping

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from metaopt.goals import Goals
from metaopt.search.samplers.history import End, Params
from metaopt.search.space import Dimension, distribution

CONSTRAINTS_KEY = "constraints"  # where Optuna and its dashboard look for values of constraints
DIVERGED_VIOLATION = 100.0  # beyond whatever `Goals.violation` says

# Optuna announces every study on stderr otherwise; its warnings still pass.
logging.getLogger("optuna").setLevel(logging.WARNING)


class OptunaStudy:
    """Suggests by one of Optuna's samplers.

    A sampler object serves one ask and is thrown away: Optuna's samplers carry a random generator
    that cannot be put back where it was, so each ask gets a fresh one with a seed of its own.

    Args:
        space: What is searched.
        goals: What is searched for.
        sampler: Makes the sampler of ask i.
    """

    limit: int | None = None

    def __init__(
        self,
        space: Mapping[str, Dimension],
        *,
        goals: Goals,
        sampler: Callable[[int], optuna.samplers.BaseSampler],
    ) -> None:
        """Begin without trials."""
        self._distributions = {name: distribution(space[name]) for name in space}
        self._goals = goals
        self._sampler = sampler
        self._scores: list[float] = []
        self._costs: list[tuple[float, ...]] = []  # the other objectives' values
        self._trials = 0
        self._paused: set[int] = set()
        score = StudyDirection.MAXIMIZE if goals.maximize else StudyDirection.MINIMIZE
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name="branch",
            sampler=sampler(0),
            pruner=optuna.pruners.NopPruner(),
            directions=[score, *[StudyDirection.MINIMIZE] * (len(goals.objectives) - 1)],
        )
        self._optuna_study_id = self._storage.get_study_id_from_name("branch")

    def suggest(self, index: int) -> Params:
        """Return what the sampler suggests; the study has the trial from here on."""
        self._study.sampler = self._sampler(index)
        trial = self._study.ask(fixed_distributions=self._distributions)
        self._trials += 1
        return dict(trial.params)

    def slow_asks(self, index: int, count: int) -> int:
        """Return 0: no ask takes long."""
        return 0

    def asked(self, index: int, params: Params) -> None:
        """Add a running trial, unless the study suggested it itself.

        Raises:
            ValueError: the values lie outside the space.
        """
        if index < self._trials:
            return
        self._study.add_trial(
            create_trial(state=TrialState.RUNNING, params=params, distributions=self._distributions)
        )
        self._trials += 1

    def told(self, index: int, end: End) -> None:
        """Tell the study how a trial ended; a paused one is pruned until it is told again."""
        if index in self._paused:
            self._reopen(index)
        if end.outcome == "paused":
            self._paused.add(index)
        if not end.speaks:
            self._study.tell(index, state=TrialState.FAIL)
            return
        if self._goals.several or self._goals.bounds:
            self._set_violation(index, end)
        if self._goals.several:
            self._study.tell(index, self._values(end))
        elif end.outcome == "diverged":
            worst = worst_value(self._scores, maximize=self._goals.maximize)
            self._tell_pruned(index, 0, worst)
        elif end.outcome == "completed":
            self._study.tell(index, end.value)
        else:
            assert end.value is not None
            self._tell_pruned(index, end.meta_iteration or 0, end.value)
        if end.value is not None:
            self._scores.append(end.value)

    def _values(self, end: End) -> list[float]:
        """Return the values of several objectives; of a diverged trial the worst that were seen."""
        if end.value is None:
            worst = worst_value(self._scores, maximize=self._goals.maximize)
            others = len(self._goals.objectives) - 1
            return [worst, *(max((c[i] for c in self._costs), default=1.0) for i in range(others))]
        values = self._goals.values(end.value, end.metrics)
        assert values is not None, "the branch has looked at this"
        self._costs.append(values[1:])
        return list(values)

    def _set_violation(self, index: int, end: End) -> None:
        violation = self._goals.violation(end.metrics)
        if end.outcome == "diverged":
            violation = DIVERGED_VIOLATION
        elif self._goals.several and end.outcome != "completed":
            violation += 1.0 / (2.0 + (end.meta_iteration or 0))
        self._storage.set_trial_system_attr(self._trial_id(index), CONSTRAINTS_KEY, [violation])

    def _reopen(self, index: int) -> None:
        # Optuna has no word for a pruned trial that goes on; the study in memory is ours alone.
        self._paused.remove(index)
        trial_id = self._trial_id(index)
        trial = copy.copy(self._storage.get_trial(trial_id))
        trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
        self._storage._set_trial(trial_id, trial)

    def _trial_id(self, index: int) -> int:
        return self._storage.get_trial_id_from_study_id_trial_number(self._optuna_study_id, index)

    def _tell_pruned(self, index: int, step: int, score: float) -> None:
        self._storage.set_trial_intermediate_value(self._trial_id(index), step, score)
        self._study.tell(index, state=TrialState.PRUNED)  # takes the last intermediate value


def worst_value(scores: Iterable[float], *, maximize: bool) -> float:
    """Return the finite score a diverged trial is told as, given those measured before it.

    Where less is better (errors, >= 0): ten times the greatest score, at least 10.  Where more
    is better (accuracies, >= 0): zero, or the lowest score if that is lower.  Penalties are not
    scores, so they do not grow from one diverged trial to the next.
    """
    if maximize:
        return min([0.0, *scores])
    return min(10.0 * max([1.0, *scores]), sys.float_info.max)
