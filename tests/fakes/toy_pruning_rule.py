"""A pruning rule that somebody else could have written: stop what loses by more than `delta`."""

from metaopt.search.pruning.rule import Decision, Need, Options, PruningRule, Rung


def decide(rung: Rung, trial_number: int) -> Decision:
    worse = rung.loss_of(trial_number) - min(rung.ranking.values()) > rung.options.delta
    return Decision.STOP if worse else Decision.CONTINUE


def kept_share(options: Options) -> float:
    return 0.25


KIND = PruningRule(
    "within-delta",
    decide,
    kept_share,
    needs=frozenset({Need.RANKING}),
    reads=("delta",),
    several_objectives=False,
    constraints=False,
)
