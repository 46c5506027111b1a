"""Median: stop a trial that is worse than the median of n at its rung, once n > startup_trials."""

from metaopt.search.pruning.rule import Decision, Options, PruningRule, Rung, stop_if


def decide(rung: Rung, trial_number: int) -> Decision:
    """Stop the worse half; the median itself goes on.

    Between two middle ones nobody lies: who is behind the better of them is worse than the median.
    """
    many = len(rung.standings)
    enough = many > rung.options.startup_trials
    return stop_if(enough and rung.standings.is_behind(trial_number, (many - 1) // 2))


def kept_share(options: Options) -> float:
    """Half."""
    return 0.5


KIND = PruningRule("median", decide, kept_share, reads=("startup_trials",))
