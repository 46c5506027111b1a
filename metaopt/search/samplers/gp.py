"""A Gaussian process: the fewest trials on numbers, and the dearest asks.

Each ask builds an Optuna study of what the model should see and asks Optuna's GPSampler once, so a
suggestion depends on the seed of the ask and on the history alone.  Optuna's sampler looks at
completed trials only; here the model sees every trial that ended:

    scored at the common rung (`history.common_rung`)       its loss there
    pruned before it, or diverged                           the ceiling

The ceiling is the greatest loss at that rung, or, if that is lower, the median plus three times the
distance from the least to the median: the model is fitted to standardized losses, and one of 1e6
would make all good ones look alike.  Losses above the ceiling count as the ceiling.

Optuna lists every value of a whole number that it searches, so one of very many is a real number to
the model, and what it suggests is rounded.
"""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING

from metaopt.goals import CONSTRAINTS_KEY, Goals
from metaopt.metaparams import Value
from metaopt.search.samplers import qmc
from metaopt.search.samplers.history import End, Params, TrialRecord, common_rung
from metaopt.search.samplers.kind import Problem, SamplerKind
from metaopt.search.samplers.qmc import Qmc
from metaopt.search.space import Dimension, Float, Int, count

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

CEILING_DISTANCES = 3.0
MOST_LISTED = 10_000  # values of a whole number: eight bytes each at every ask, and looked through
NOTHING, DIVERGED, SCORED = (0, 0), (1, 0), (1, 1)
"""What a trial adds to the number of those that ended, and of those with a loss."""


class Gp:
    """Suggests by a Gaussian process, after a quasi-random start.

    Args:
        space: What is searched.
        goals: The constraints.
        seed: Of ask i.
        start: Asked until enough trials have ended.
        startup_trials: How many are enough; at least one needs a loss.

    Reference:
        Falkner, Klein & Hutter (2018), arXiv:1807.01774 (BOHB), for the rung that is modelled;
        Ament et al. (2023), arXiv:2310.20708 (LogEI), which Optuna maximizes.
    """

    def __init__(
        self,
        space: Mapping[str, Dimension],
        *,
        goals: Goals,
        seed: Callable[[int], int],
        start: Qmc,
        startup_trials: int,
    ) -> None:
        """Begin without trials."""
        from metaopt.search.distributions import distribution

        self._space = dict(space)
        self._distributions = {name: distribution(_modelled(space[name])) for name in space}
        self._goals = goals
        self._seed = seed
        self._start = start
        self._startup_trials = max(1, startup_trials)
        self._history: list[TrialRecord] | None = []
        self._counts: list[tuple[int, int]] = []  # by ask index, what of it is in the sums
        self._ended = self._scored = 0

    def suggest(self, index: int) -> Params:
        """The point where an improvement is expected most."""
        if not self.ready():
            return self._start.suggest(index)
        assert self._history is not None, "it was said to be asked no more"
        found = suggest(
            self._distributions,
            self._history,
            learned_losses(self._history, dimensions=len(self._distributions)),
            seed=self._seed(index),
            goals=self._goals,
        )
        return {name: _rounded(self._space[name], value) for name, value in found.items()}

    def ready(self) -> bool:
        """Whether the start is over."""
        started = self._ended >= self._startup_trials and self._scored > 0
        return started and bool(self._distributions)

    def slow_asks(self, index: int, count: int) -> int:
        """How many of the next `count` asks take long: none at the start, then all."""
        return count if self.ready() else 0

    def copy(self) -> "Gp":
        """A copy that later asks and tells do not change."""
        assert self._history is not None, "it was said to be asked no more"
        copied = object.__new__(Gp)
        own = {"_history": list(self._history), "_counts": list(self._counts)}
        copied.__dict__.update(self.__dict__, **own)
        return copied

    def ask_no_more(self) -> None:
        """Forget the trials: from now on it only says whether it is ready."""
        self._history = None

    def begin(self, index: int, params: Params) -> None:
        """Keep in mind that a trial runs."""
        self._counts.append(NOTHING)
        if self._history is not None:
            self._history.append(TrialRecord(params))

    def tell(self, index: int, end: End) -> None:
        """Keep how a trial ended; of one that was paused, the latest end counts."""
        if self._history is not None:
            self._history[index] = TrialRecord(self._history[index].params, end)
        (ended, scored), counted = self._counts[index], _counted(end)
        self._counts[index] = counted
        self._ended += counted[0] - ended
        self._scored += counted[1] - scored


def _modelled(dimension: Dimension) -> Dimension:
    if isinstance(dimension, Int) and count(dimension) > MOST_LISTED:
        return Float(dimension.low, dimension.high, log=dimension.log)
    return dimension


def _rounded(dimension: Dimension, value: Value) -> Value:
    if isinstance(dimension, Int) and isinstance(value, float):
        return min(max(round(value), dimension.low), dimension.high)
    return value


def _counted(end: End) -> tuple[int, int]:
    if not end.informative:
        return NOTHING
    return DIVERGED if end.outcome == "diverged" else SCORED


def learned_losses(history: Sequence[TrialRecord], *, dimensions: int) -> dict[int, float]:
    """What the model learns, by ask index: losses at the common rung, none above the ceiling.

    Args:
        history: Trials by ask index; the running, failed and cancelled ones teach nothing here.
        dimensions: d, number of searched parameters; d + 3 losses make a rung worth modelling
            (BOHB's N_min + 2 with N_min = d + 1).

    Returns:
        Empty where no trial has a loss.
    """
    ends = {i: trial.end for i, trial in enumerate(history) if trial.end and trial.end.informative}
    rung = common_rung(ends.values(), dimensions + 3)
    if rung is None:
        return {}
    at_rung = {i: end.loss_at(rung) for i, end in ends.items()}
    losses = {i: loss for i, loss in at_rung.items() if loss is not None}
    top = ceiling(list(losses.values()))
    return {i: min(losses.get(i, top), top) for i in ends}


def ceiling(losses: Sequence[float]) -> float:
    """The greatest loss that the model is shown."""
    middle = median(losses)
    far = middle + CEILING_DISTANCES * (middle - min(losses))
    return min(max(losses), far) if far > middle else max(losses)


def suggest(
    distributions: "Mapping[str, BaseDistribution]",
    history: Sequence[TrialRecord],
    losses: Mapping[int, float],
    *,
    seed: int,
    goals: Goals | None = None,
) -> Params:
    """A point to try next, given losses of some trials and points of running ones.

    Each constraint of `goals` is modelled by a process of its own, and the point is where an
    improvement that keeps them all is expected most (Gardner et al. 2014, "Bayesian optimization
    with inequality constraints").
    """
    import optuna
    from optuna.trial import TrialState, create_trial

    study = optuna.create_study(
        sampler=optuna.samplers.GPSampler(seed=seed, n_startup_trials=1),
        pruner=optuna.pruners.NopPruner(),
    )
    for index, trial in enumerate(history):
        if index not in losses and trial.end is not None:
            continue
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if index in losses else TrialState.RUNNING,
                params={name: trial.params[name] for name in distributions},
                distributions=dict(distributions),
                value=losses.get(index),
                system_attrs=_constraints(trial, goals) if index in losses else None,
            )
        )
    return dict(study.ask(fixed_distributions=dict(distributions)).params)


def _constraints(trial: TrialRecord, goals: Goals | None) -> dict[str, list[float]]:
    # In units of the bound.  What was not measured of a trial that diverged
    # counts as on the bound: the model must have a value, and this one says least.
    if goals is None or not goals.bounds or trial.end is None:
        return {}
    return {CONSTRAINTS_KEY: list(goals.relative(trial.end.metrics))}


def make(problem: Problem) -> Gp:
    """The process, with the branch's sequence to start from."""
    return Gp(
        problem.space,
        goals=problem.goals,
        seed=problem.seed,
        start=qmc.make(problem),
        startup_trials=problem.startup_trials,
    )


KIND = SamplerKind("gp", make, adaptive=True, options=("startup_trials",), slow=True)
