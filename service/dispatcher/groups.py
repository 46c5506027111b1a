"""Groups: which trials may be lanes of one program."""

from metaopt.metaparams import Value
from service.dispatcher.state import Group, StudyState
from service.planning.signatures import structural_values, trial_signature


def group_of(
    study: StudyState, role: str, branch: str, params: dict[str, Value], meta_iteration: int
) -> Group:
    """The group of a trial with these params; its signature is kept in `study`.

    Args:
        meta_iteration: From which it trains on.
    """
    of_branch, plan = study.branches[branch].branch, study.plan[role]
    spec, params = plan.spec, plan.trained_params(params, meta_iteration)
    own_model = "own model" if spec.model != study.spec.model else ""
    structure = (own_model, *structural_values(of_branch, params))
    if structure not in study.digests:
        signature = trial_signature(spec, of_branch, params)
        study.digests[structure] = signature.digest()
        study.signatures[signature.digest()] = signature
    return Group(role, branch, study.digests[structure])
