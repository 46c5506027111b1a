"""New points: trials that the sampler of a branch is asked for."""

from metaopt.algorithms.registry import complete
from metaopt.keys import key
from metaopt.metaparams import Value
from metaopt.search.branches import Suggestion
from service.db.roles import TrialRole
from service.dispatcher import trials
from service.dispatcher.scheduler.branch_budgets import trial_number
from service.dispatcher.state import BranchState, NewTrial, StudyState
from service.wire.spec.compare import Configuration
from service.wire.spec.warm_start import warm_points


def ask(study: StudyState, branch: BranchState, count: int) -> list[NewTrial]:
    """Ask the branch's sampler for `count` trials; they exist once the ledger has them.

    Raises:
        ValueError: a grid is at its end.
    """
    return [new_trial(study, branch, None, branch.next_sequence()) for _ in range(count)]


def warm_points_left(study: StudyState, branch: BranchState) -> list[dict[str, Value]]:
    """The points of the warm start that the branch's next trials are."""
    asks, given = branch.search.asks, study.spec.warm_start
    return warm_points(given, branch.branch)[asks:] if asks < len(given.trials) else []


def new_trial(
    study: StudyState, branch: BranchState, found: Suggestion | None, sequence: int
) -> NewTrial:
    """The branch's next trial.

    Args:
        study, branch: Whose.
        found: What its sampler has found for it; None is to ask it now.
        sequence: Place of the ask in the branch's log.
    """
    ask_index = branch.search.asks
    number = trial_number(branch, ask_index, len(study.branches))
    warm = warm_points_left(study, branch)
    if warm:
        found = Suggestion(warm[0])
    if found is None:
        found = Suggestion(branch.search.ask(number), branch.search.failure)
    else:
        branch.search.restore(number, found.params, failure=found.failure)
    asked = found.params
    params = complete(branch.branch.algorithm, {**branch.fixed, **asked})
    trial = trials.new(
        study,
        TrialRole.SEARCH,
        Configuration(branch.branch.name, params),
        trial_number=number,
        seed=key(study.spec.seed, "trial", number),
    )
    return NewTrial(trial, asked, ask_index, sequence, found.failure)
