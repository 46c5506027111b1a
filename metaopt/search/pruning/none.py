"""No pruning: every trial trains to its end; without rungs of its own it is scored there only."""

from metaopt.search.pruning.rule import Decision, Options, PruningRule, Rung, no_rungs


def decide(rung: Rung, trial_number: int) -> Decision:
    """Go on."""
    return Decision.CONTINUE


def kept_share(options: Options) -> float:
    """All."""
    return 1.0


KIND = PruningRule("none", decide, kept_share, default_rungs=no_rungs)
