"""Stop what loses to the best at its rung by more than `delta`."""

from metaopt.search.pruning.rule import Decision, Need, PruningRule


def decide(rung, trial_number):
    worse = rung.loss_of(trial_number) - min(rung.ranking.values()) > rung.options.delta
    return Decision.STOP if worse else Decision.CONTINUE


KIND = PruningRule(
    "within-delta",
    decide,
    kept_share=lambda options: 0.5,
    needs=frozenset({Need.RANKING}),
    reads=("delta",),
)
