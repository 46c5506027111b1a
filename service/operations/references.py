"""References: what a user may call a study by, from the surest to the shortest.

    its id  >  last (the newest study)  >  its name  >  the first digits of its id, at least 4

What several studies could mean is refused with what they are: nobody should cancel another study
than he thought of.
"""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

from sqlalchemy.orm import Session

from service.db import studies
from service.db.tables import Study
from service.errors import ServiceError, StudyAmbiguous, StudyNotFound
from service.wire.words.instants import instant
from service.wire.words.references import LAST

FEWEST_DIGITS = 4
LONGEST = 200
MOST_SHOWN = 10
MOST_NAMES = 1000


def find_reference(session: Session, reference: str) -> str:
    """The id of the study that is meant.

    Raises:
        StudyNotFound: There is none; names the nearest name, if one is near.
        StudyAmbiguous: There are several; lists them, newest first.
    """
    found = candidates(session, reference)
    if len(found) != 1:
        raise refusal(session, reference, found)
    return found[0].study_id


def candidates(session: Session, reference: str) -> Sequence[Study]:
    """The studies that a reference could mean, newest first, and no more than are ever listed."""
    if not storable(reference):
        return []
    row = studies.find_study(session, reference)
    if row is not None:
        return [row]
    if reference == LAST:
        return studies.studies_before(session, None, status=None, limit=1)
    named = _named(session, reference)
    if named or not re.fullmatch(f"[0-9a-f]{{{FEWEST_DIGITS},31}}", reference):
        return named
    return studies.studies_beginning(session, reference, limit=MOST_SHOWN + 1)


def _named(session: Session, name: str) -> Sequence[Study]:
    """The studies of that name, or of the same in the form that new names have."""
    forms = dict.fromkeys((name, unicodedata.normalize("NFC", name)))
    found = (studies.studies_named(session, form, limit=MOST_SHOWN + 1) for form in forms)
    return next(filter(None, found), [])


def refusal(session: Session, reference: str, found: Sequence[Study]) -> ServiceError:
    """The error that says why `found`, none or several, are not one study."""
    if found:
        return StudyAmbiguous(_several(reference, found))
    return StudyNotFound(_unknown(session, reference))


def storable(text: str) -> bool:
    """Whether a database could hold it: no id and no name is anything else."""
    return len(text) <= LONGEST and not re.search("[\x00-\x1f\x7f\ud800-\udfff]", text)


def _unknown(session: Session, reference: str) -> str:
    if reference == LAST:
        return "there is no study yet"
    if re.fullmatch("[0-9a-f]{32}", reference):
        return "there is no study of this id"
    near = get_close_matches(reference[:LONGEST], studies.recent_names(session, MOST_NAMES), n=1)
    hint = f": did you mean {near[0]!r}?" if near else f", and none whose id begins so{_rule()}"
    return f"there is no study named {reference[:LONGEST]!r}{hint}"


def _rule() -> str:
    return f" (a study is named by its id, {FEWEST_DIGITS} or more of its first digits, or {LAST})"


def _several(reference: str, found: Sequence[Study]) -> str:
    named = all(row.name == reference for row in found)
    lines = [
        f"{row.study_id[:12]}  {row.status}, submitted {instant(row.created_at)}"
        + ("" if named else f", {row.name!r}")
        for row in found[:MOST_SHOWN]
    ]
    count = len(lines) if len(found) <= MOST_SHOWN else f"more than {MOST_SHOWN}"
    what = "are named" if named else "have ids that begin with"
    return "\n".join([f"{count} studies {what} {reference!r}; say which by its id:", *lines])
