"""Gates at submission: the baseline that a spec names becomes the configuration it has now."""

from sqlalchemy.orm import Session

from metaopt.algorithms.registry import complete
from metaopt.errors import InvalidMetaParameter
from service.db.baselines import find_baseline
from service.errors import FieldError, InvalidSpec
from service.operations.baselines import baseline_view
from service.wire.spec.gates import Incumbent, parse_label
from service.wire.spec.study import StudySpec
from service.wire.views.baselines import BaselineView

FIELD = "gates.baseline"


def resolve_gates(session: Session, spec: StudySpec) -> StudySpec:
    """The spec with the configuration of the baseline that its gates name, if there is one.

    A spec that has the configuration already keeps it, so that a study can be repeated.

    Raises:
        InvalidSpec: There is no such baseline, and this study is not to become its first version;
            or what it does cannot be compared with this study.
    """
    gates = spec.gates
    if gates.baseline is None:
        return spec
    if gates.incumbent is not None:
        return _with(spec, gates.baseline, gates.incumbent)
    name, version = parse_label(gates.baseline)
    row = find_baseline(session, name, version)
    if row is None:
        if gates.promote == "pass" and version is None:
            return spec
        raise _invalid(
            f"there is no baseline {gates.baseline}: make one with `metaopt baseline promote STUDY "
            f"--name {name}`, or let this study become its first version (gates.promote: pass)"
        )
    view = baseline_view(row)
    _check_comparable(spec, view)
    incumbent = Incumbent(
        name=view.name,
        version=view.version,
        branch=view.branch,
        algorithm=view.algorithm,
        params=view.params,
        model=view.model,
        meta_iterations=view.meta_iterations,
        first_order_until=view.first_order_until,
        selected_at=view.selected_at,
    )
    return _with(spec, str(view.label()), incumbent)


def _with(spec: StudySpec, baseline: str, incumbent: Incumbent) -> StudySpec:
    """The spec with an incumbent that has every parameter, and can be trained beside it."""
    label = f"{incumbent.name}@{incumbent.version}"
    if not spec.branches_for(incumbent.branch, incumbent.algorithm):
        raise _invalid(
            f"baseline {label} is a configuration of {incumbent.algorithm}, and this study has no "
            "such branch: add one, or name another baseline"
        )
    try:
        whole = complete(incumbent.algorithm, dict(incumbent.params))  # newer ones have defaults
    except InvalidMetaParameter as error:
        raise _invalid(f"baseline {label} cannot be trained by this version: {error}") from None
    until = incumbent.first_order_until
    if until is not None and until >= incumbent.meta_iterations:
        raise _invalid(f"baseline {label} takes first-order meta-gradients to its end or longer")
    changes = {"baseline": baseline, "incumbent": incumbent.model_copy(update={"params": whole})}
    return spec.model_copy(update={"gates": spec.gates.model_copy(update=changes)})


def _check_comparable(spec: StudySpec, view: BaselineView) -> None:
    if view.task_distribution != spec.tasks:
        theirs = view.task_distribution.model_dump(mode="json")
        mine = spec.tasks.model_dump(mode="json")
        other = ", ".join(k for k in mine if mine[k] != theirs.get(k)) or "kind"
        raise _invalid(
            f"baseline {view.label()} was trained on other tasks ({other} of `tasks` differ): name "
            "one of the same tasks, or begin another baseline for these"
        )


def _invalid(rule: str) -> InvalidSpec:
    return InvalidSpec(f"{FIELD}: {rule}", [FieldError(FIELD, rule)])
