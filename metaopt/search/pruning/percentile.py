"""Percentile: stop a trial that is not among the best `percentile` % of n, once n > startup_trials.

It is one that is worse than that quantile of their losses, interpolated linearly; at 50 the rule
is `median`.
"""

from metaopt.search.pruning.rule import Decision, Need, Options, PruningRule, Rung, stop_if


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop what lies above the quantile."""
    import numpy as np  # the wire names this rule without it

    if len(rung.ranking) <= rung.options.startup_trials:
        return Decision.CONTINUE
    quantile = np.quantile(list(rung.ranking.values()), rung.options.percentile / 100)
    return stop_if(bool(rung.loss_of(trial_number) > quantile))


def kept_share(options: Options) -> float:
    """The share that the rule is named for."""
    return options.percentile / 100


KIND = PruningRule(
    "percentile",
    decide,
    kept_share,
    needs=frozenset({Need.RANKING}),
    reads=("percentile", "startup_trials"),
)
