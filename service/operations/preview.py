"""Previewing: what a spec would do, from the dispatcher's own decisions and earlier segments."""

from sqlalchemy.orm import Session

from service.db import segments
from service.db.roles import TrialRole
from service.operations.gates import resolve_gates
from service.operations.monitoring.health import dispatcher_checks, working_slots
from service.operations.specs.cost import measured
from service.operations.warm_start import resolve_warm_start
from service.planning.preview import preview, signatures
from service.planning.requirements import has, lacking
from service.wire.spec.study import StudySpec
from service.wire.views.preview import Preview
from service.wire.views.slots import SlotsView
from service.wire.words import waiting
from service.wire.words.slots import slots_in_words


def preview_study(session: Session, spec: StudySpec) -> Preview:
    """Trials, rungs, programs and cost of a spec; nothing is written.

    Raises:
        InvalidSpec: Its warm start or gates name something that is not there or does not fit.
    """
    spec = resolve_gates(session, resolve_warm_start(session, spec))
    programs = [signatures(spec, branch) for branch in spec.branches]
    listed = frozenset[str]().union(*(digests for digests in programs if digests is not None))
    paces = segments.paces(session, listed, TrialRole.SEARCH)
    slots, slots_from = _slots(session, spec)
    found = preview(spec, paces, measured(session, spec))
    return found.model_copy(update={"slots": slots, "slots_from": slots_from})


def _slots(session: Session, spec: StudySpec) -> tuple[list[str], str]:
    """Which slots could train it now, and why there are none, or what they are."""
    for name, check in dispatcher_checks(session).items():
        if not check.ok:
            return [], waiting.for_service(name, check.text)
    there = working_slots(session)
    able = [slot for slot in there if has(slot, spec.requires)]
    if not able:
        lacks = lacking(there, spec.requires)
        untold = waiting.for_service("dispatcher", "it has told of no slot yet")
        return [], waiting.for_slots(lacks) if lacks else untold
    return [slot.name for slot in able], slots_in_words(SlotsView(slots=able))
