"""Slots in words: the same in the log, in the server's readiness, on its page and by the doctor."""

from collections.abc import Iterable

from service.wire.views.slots import SlotsView

CPU = "CPU"


def slots_in_words(view: SlotsView) -> str:
    """Which slots work, and where: `2 slots on CPU cores`."""
    working = view.working()
    if not working:
        return "none works"
    places = dict.fromkeys(slot.place for slot in working)
    where = "CPU cores" if list(places) == [CPU] else ", ".join(places)
    count = "1 slot" if len(working) == 1 else f"{len(working)} slots"
    labels = dict.fromkeys(f"{n}={v}" for slot in working for n, v in slot.labels.items())
    labelled = f", labelled {', '.join(labels)}" if labels else ""
    return f"{count} on {where}{f' ({view.cores})' if view.cores else ''}{labelled}"


def broken_in_words(view: SlotsView) -> list[str]:
    """What does not work, and why; a line for each cause."""
    broken = [(one.name, one.cause) for one in view.broken]
    out = [(slot.name, slot.cause) for slot in view.slots if slot.cause is not None]
    return list(_by_cause([*broken, *out]))


def _by_cause(found: Iterable[tuple[str, str]]) -> Iterable[str]:
    names: dict[str, list[str]] = {}
    for name, cause in found:
        names.setdefault(cause, []).append(name)
    for cause, some in names.items():
        yield f"{', '.join(some)} {'does' if len(some) == 1 else 'do'} not work: {cause}"
