"""Median: stop a trial that is worse than the median of n at its rung, once n > startup_trials."""

import statistics

from metaopt.search.pruning.rule import Decision, Need, Options, PruningRule, Rung, stop_if


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop the worse half; the median itself goes on."""
    enough = len(rung.ranking) > rung.options.startup_trials
    return stop_if(enough and rung.loss_of(trial_number) > statistics.median(rung.ranking.values()))


def kept_share(options: Options) -> float:
    """Half."""
    return 0.5


KIND = PruningRule(
    "median", decide, kept_share, needs=frozenset({Need.RANKING}), reads=("startup_trials",)
)
