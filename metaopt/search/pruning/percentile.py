"""Percentile: stop a trial that is not among the best `percentile` % of n, once n > startup_trials.

It is one that is worse than that quantile of their losses, interpolated linearly; at 50 the rule
is `median`.
"""

from metaopt.search.pruning.rule import Decision, Options, PruningRule, Rung, stop_if


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop what lies above the quantile.

    That lies at p (n - 1) of the places, or between two: nobody is there, so who is behind the
    better of them is above it.
    """
    many = len(rung.standings)
    if many <= rung.options.startup_trials:
        return Decision.CONTINUE
    place = int(rung.options.percentile / 100 * (many - 1))
    return stop_if(rung.standings.is_behind(trial_number, place))


def kept_share(options: Options) -> float:
    """The share that the rule is named for."""
    return options.percentile / 100


KIND = PruningRule("percentile", decide, kept_share, reads=("percentile", "startup_trials"))
