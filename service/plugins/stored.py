"""Specs of rows: read whatever has become of their kinds (`service.wire.spec.stored`).

A kind that this process does not know may have been described for another one since it began:
then the table is asked, and nothing else ever asks it because of a row that is shown.
"""

from sqlalchemy.orm import Session, object_session

from service.db.tables import Schedule, Study
from service.plugins.known import learn_kinds
from service.wire.spec.named import named_kinds
from service.wire.spec.stored import stored_spec
from service.wire.spec.study import StudySpec


def spec_of(row: Study | Schedule) -> StudySpec:
    """The spec of a row."""
    return spec_of_data(row.spec, object_session(row))


def spec_of_data(data: dict[str, object], session: Session | None) -> StudySpec:
    """The spec that is stored as `data`; without a session nobody is asked of its kinds."""
    learn_named(data, session)
    return stored_spec(data)


def learn_named(data: dict[str, object], session: Session | None) -> None:
    """Let the kinds be found that a stored spec names."""
    unknown = {(kind.family, kind.name) for kind in named_kinds(data) if not kind.known}
    if unknown and session is not None:
        learn_kinds(session, unknown)
