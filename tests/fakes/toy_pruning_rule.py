"""A pruning rule that somebody else could have written: stop what loses by more than `delta`."""

from metaopt.search.pruning.rule import Decision, Options, PruningRule, Rung


def decide(rung: Rung, trial_number: int) -> Decision:
    behind = rung.standings.rank_of(trial_number).loss - rung.standings.best.loss
    return Decision.STOP if behind > rung.options.delta else Decision.CONTINUE


def kept_share(options: Options) -> float:
    return 0.25


KIND = PruningRule(
    "within-delta",
    decide,
    kept_share,
    reads=("delta",),
    several_objectives=False,
    constraints=False,
)
