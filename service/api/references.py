"""The study of a path, whatever it is called by: its id, `last`, its name, its first digits."""

from typing import Annotated

from fastapi import Depends, Path

from service.api.context import Ctx
from service.operations.references import FEWEST_DIGITS, find_reference

MEANING = (
    f"Id of a study; or `last` for the newest, its name, or {FEWEST_DIGITS} or more of its id's "
    "first digits."
)


Reference = Annotated[str, Path(description=MEANING)]


def _study_id(study_id: Reference, context: Ctx) -> str:
    with context.reading() as session:
        return find_reference(session, study_id)


StudyId = Annotated[str, Depends(_study_id)]
