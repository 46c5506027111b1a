"""Groups: which trials may be lanes of one program."""

from metaopt.algorithms.algorithm import steps_of
from metaopt.algorithms.registry import ALGORITHMS
from metaopt.metaparams import Value
from service.dispatcher.state import Group, StudyState
from service.planning.signatures import trial_signature


def group_of(
    study: StudyState, role: str, branch: str, params: dict[str, Value], meta_iteration: int
) -> Group:
    """The group of a trial with these params; its signature is kept in `study`.

    Args:
        meta_iteration: From which it trains on.
    """
    plan = study.plan[role]
    by, trained = plan.spec.branch(branch), plan.trained_params(params, meta_iteration)
    # All that a signature depends on, and more, but it takes no time to name.
    steps = steps_of(trained)
    shared = ALGORITHMS.get(by.algorithm).structure(trained).values()
    structure = (role, branch, *steps, *shared)
    if structure not in study.groups:
        signature = trial_signature(plan.spec, by, trained)
        study.signatures[signature.digest()] = signature
        study.groups[structure] = Group(role, branch, signature.digest())
    return study.groups[structure]
