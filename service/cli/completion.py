"""What a shell completes where a study is wanted: `last`, ids and names of the server's newest.

Somebody waits with a finger on the tab key: a server that does not answer at once, and whatever
else goes wrong, completes nothing and says nothing.
"""

import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from service.wire.words.references import LAST

if TYPE_CHECKING:
    from service.wire.views.studies import StudyView

WAIT_SECONDS = 1.0
MOST_STUDIES = 50


def complete_study(incomplete: str) -> list[tuple[str, str]]:
    """References that begin so, each with what it means."""
    found: list[StudyView] = []
    asking = threading.Thread(target=_ask, args=[found], daemon=True)
    asking.start()
    asking.join(WAIT_SECONDS)
    return [pair for pair in _references(list(found)) if pair[0].startswith(incomplete)]


def _references(studies: "list[StudyView]") -> Iterator[tuple[str, str]]:
    if studies:
        yield LAST, "the newest study"
    names = Counter(study.name for study in studies)
    for study in studies:
        yield study.study_id, f"{study.status}, {_plain(study.name)}"
        if names[study.name] == 1 and re.fullmatch(r"[\w.+-]+", study.name):
            yield study.name, study.status


def _ask(found: "list[StudyView]") -> None:
    try:
        from service.cli.connection import connect  # only who presses the key needs them
        from service.wire.views.studies import StudyPage

        with connect() as client:
            newest = {"limit": MOST_STUDIES}
            found += client.http.call(StudyPage, "GET", "/studies", once=True, params=newest).items
    except Exception:  # nobody asked for its words
        return


def _plain(name: str) -> str:
    return re.sub(r"[^\w .,:+-]", "?", name)  # a shell evaluates it
