"""Cost at the door, corrected by what segments with the same programs took on this service."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy.orm import Session

from service.db import segments
from service.db.access.projects import within
from service.db.dispatcher import slots_told
from service.db.segments import Evaluated
from service.db.studies import specs_of
from service.planning.door import Measured, MostCost, check_cost, evaluation_costs, score_seconds
from service.planning.preview import signatures
from service.wire.spec.stored import stored_spec
from service.wire.spec.study import StudySpec
from service.wire.views.slots import SlotsView

MOST_SEGMENTS = 50
FAR_BELOW = 0.05  # of what is allowed: the rule is not that wrong, and nothing is looked up


def measured(session: Session, spec: StudySpec) -> dict[str, Measured]:
    """By branch, what the newest segments with its programs took over what the rule says of them.

    They may be of any project: a rate tells nothing of whose it is.
    """
    found = {}
    for branch in spec.branches:
        programs = signatures(spec, branch)
        if programs is None:
            continue
        evaluated = segments.evaluations(session, programs, limit=MOST_SEGMENTS)
        rule = sum(_by_rule(session, evaluated))
        if rule > 0:
            ratio = sum(one.seconds for one in evaluated) / rule
            found[branch.name] = Measured(ratio, len(evaluated))
    return found


def check_measured_cost(session: Session, spec: StudySpec, most: MostCost) -> None:
    """Refuse a spec whose trials need more than is allowed.

    What a worker may take is as the dispatcher told, which may be of another machine, once it has.

    Raises:
        InvalidSpec: Says what is needed, how that is known, what is allowed, and the setting.
    """
    most = _of_workers(session, most)
    by_rule = max(cost.seconds for cost in evaluation_costs(spec).values())
    near = by_rule > FAR_BELOW * most.evaluation_seconds
    check_cost(spec, most, measured(session, spec) if near else {})


def _of_workers(session: Session, most: MostCost) -> MostCost:
    told = slots_told(session) if most.by_default else None
    if told is None:
        return most
    return most._replace(worker_bytes=SlotsView.model_validate(told).worker_bytes)


def _by_rule(session: Session, evaluated: Sequence[Evaluated]) -> Iterator[float]:
    with within(session, None):
        rows = specs_of(session, sorted({one.study_id for one in evaluated}))
    specs = {study_id: stored_spec(data) for study_id, data in rows.items()}
    seconds: Mapping[tuple[str, str], float] = {
        place: score_seconds(specs[place[0]], place[1])
        for place in {(one.study_id, one.branch) for one in evaluated}
    }
    for one in evaluated:
        yield one.scored * seconds[one.study_id, one.branch]
