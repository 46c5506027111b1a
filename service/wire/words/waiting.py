"""Why a study waits, in words."""

from collections.abc import Sequence

from metaopt.plugins.described import Needed
from service.wire.views.studies import StudyName
from service.wire.words import numbers
from service.wire.words.plugins import plugin

MOST_NAMED = 3


def behind(studies: Sequence[StudyName], total: int, seconds: float | None) -> str:
    """It waits behind others: which, and for how long."""
    shown = studies[:MOST_NAMED]  # those of other projects are counted, not named
    named = "".join(f", {study.name} ({study.status})" for study in shown)
    more = f" and {total - len(shown)} more" if shown and total > len(shown) else ""
    what = "1 study" if total == 1 else f"{total} studies"
    long = "how long is not known yet"
    if seconds is not None:
        long = f"about {numbers.seconds(seconds)} at most"
    return f"waits behind {what}{named}{more}: {long}"


def for_service(check: str, found: str) -> str:
    """It waits because no dispatcher runs studies, or none of its slots works."""
    return f"waits for {'a slot that works' if check == 'slots' else 'a dispatcher'}: {found}"


def for_plugins(missing: Sequence[Needed]) -> str:
    """It waits for plug-ins that no worker has."""
    named = " and ".join(f"the plug-in {plugin(one)}" for one in missing)
    return (
        f"waits for {named}, which no worker has: install and allow it as it was (METAOPT_PLUGINS, "
        "`metaopt plugins`), or cancel the study"
    )


def for_slots(lacks: str) -> str:
    """It waits for a slot that has what it requires."""
    return (
        f"waits for a slot with {lacks}, which none has: start one that has it (docs/spec.md), or "
        "cancel the study and submit it with other `requires`"
    )


NEXT = "is next: it begins when a slot is free"
NO_SLOT = (
    "is next, and no slot has taken it for a while: `metaopt doctor` and the dispatcher's log say "
    "whether its slots work"
)
