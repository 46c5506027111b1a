"""Samplers of Optuna: a study in memory that lives as long as its branch.  It minimises.

What it is told:

    completed  its loss
    pruned     its last loss, at the meta-iteration where that was measured; so is a paused one,
               until it is told again
    diverged   pruned at meta-iteration 0 with a finite worst loss: TPE ranks it below every
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
import sys
from collections.abc import Callable, Iterable, Mapping

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from metaopt.goals import CONSTRAINTS_KEY, DIVERGED_VIOLATION, Goals
from metaopt.search.distributions import distribution
from metaopt.search.samplers.history import End, Params
from metaopt.search.space import Dimension


class OptunaStudy:
    """Suggests by one of Optuna's samplers.

    A sampler object serves one ask and is thrown away: Optuna's samplers carry a random generator
    that cannot be put back where it was, so each ask gets a fresh one with a seed of its own.

    Args:
        space: What is searched.
        goals: Objectives and constraints.
        sampler: Makes the sampler of ask i.
    """

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
        self._losses: list[float] = []
        self._costs: list[tuple[float, ...]] = []  # the other objectives' values
        self._trials = 0
        self._paused: set[int] = set()
        self._storage = optuna.storages.InMemoryStorage()
        self._study = optuna.create_study(
            storage=self._storage,
            study_name="branch",
            sampler=sampler(0),
            pruner=optuna.pruners.NopPruner(),
            directions=[StudyDirection.MINIMIZE] * len(goals.objectives),
        )
        self._optuna_study_id = self._storage.get_study_id_from_name("branch")

    def suggest(self, index: int) -> Params:
        """What the sampler suggests; the study has the trial from here on."""
        self._study.sampler = self._sampler(index)
        trial = self._study.ask(fixed_distributions=self._distributions)
        self._trials += 1
        return dict(trial.params)

    def begin(self, index: int, params: Params) -> None:
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

    def tell(self, index: int, end: End) -> None:
        """Tell the study how a trial ended; a paused one is pruned until it is told again."""
        if index in self._paused:
            self._reopen(index)
        if end.outcome == "paused":
            self._paused.add(index)
        if not end.informative:
            self._study.tell(index, state=TrialState.FAIL)
            return
        if self._goals.several or self._goals.bounds:
            self._set_violation(index, end)
        if self._goals.several:
            self._study.tell(index, self._values(end))
        elif end.outcome == "diverged":
            self._tell_pruned(index, 0, worst_loss(self._losses))
        elif end.outcome == "completed":
            self._study.tell(index, end.loss)
        else:
            assert end.loss is not None
            self._tell_pruned(index, end.meta_iteration or 0, end.loss)
        if end.loss is not None:
            self._losses.append(end.loss)

    def _values(self, end: End) -> list[float]:
        """The values of several objectives; of a diverged trial the worst that were seen."""
        if end.loss is None:
            others = len(self._goals.objectives) - 1
            costs = (max((c[i] for c in self._costs), default=1.0) for i in range(others))
            return [worst_loss(self._losses), *costs]
        values = self._goals.values(end.loss, end.metrics)
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

    def _tell_pruned(self, index: int, step: int, loss: float) -> None:
        self._storage.set_trial_intermediate_value(self._trial_id(index), step, loss)
        self._study.tell(index, state=TrialState.PRUNED)  # takes the last intermediate value


def worst_loss(losses: Iterable[float]) -> float:
    """The finite loss that a diverged trial is told as, given those measured before it.

    Ten times the greatest, at least 10: above every error (>= 0), and above every accuracy, whose
    loss is not above 0.  Penalties are no losses, so they do not grow from one diverged trial to
    the next.
    """
    return min(10.0 * max([1.0, *losses]), sys.float_info.max)
