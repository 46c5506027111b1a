"""Previewing: what a spec would do, from the dispatcher's own decisions and earlier segments."""

from sqlalchemy.orm import Session

from service.db import segments
from service.db.roles import TrialRole
from service.operations.gates import resolve_gates
from service.operations.specs.cost import measured
from service.operations.warm_start import resolve_warm_start
from service.planning.preview import preview, signatures
from service.wire.spec.study import StudySpec
from service.wire.views.preview import Preview


def preview_study(session: Session, spec: StudySpec) -> Preview:
    """Trials, rungs, programs and cost of a spec; nothing is written.

    Raises:
        InvalidSpec: Its warm start or gates name something that is not there or does not fit.
    """
    spec = resolve_gates(session, resolve_warm_start(session, spec))
    programs = [signatures(spec, branch) for branch in spec.branches]
    listed = frozenset[str]().union(*(digests for digests in programs if digests is not None))
    paces = segments.paces(session, listed, TrialRole.SEARCH)
    return preview(spec, paces, measured(session, spec))
