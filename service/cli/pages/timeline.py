"""A study's timeline on the command line: a strip of letters for each slot, and its seconds.

cpu:0  sccccccccccccc=====v====v=======v    search
       |                       |    |
the letter of what took most of that time; below it `V` where that was for the verdict
"""

from collections.abc import Iterator

from service.cli import console
from service.wire.views.timeline import ACTIVITIES, Activity, SlotTimeline, Timeline
from service.wire.words import numbers

COLUMNS = 72
LETTERS: dict[Activity, str] = {
    "start": "s",
    "compiling": "c",
    "sampling": "t",
    "eager": "e",
    "compiled": "=",
    "evaluation": "v",
    "other": "o",
    "between": ".",
}


def timeline_page(timeline: Timeline) -> None:
    """Print the timeline."""
    for line in timeline_lines(timeline):
        console.data(line)


def timeline_lines(timeline: Timeline) -> Iterator[str]:
    """The timeline in lines of text."""
    verdict = timeline.verdict_seconds
    yield (
        f"queued {numbers.seconds(timeline.queued_seconds)}; "
        + (f"first fresh training after {numbers.seconds(verdict)}; " if verdict else "")
        + f"{numbers.seconds(timeline.wall_seconds)} in all"
    )
    yield ""
    width = max([len(slot.slot) for slot in timeline.slots], default=0)
    step = timeline.wall_seconds / COLUMNS
    for slot in timeline.slots:
        yield f"{slot.slot:{width}}  {_strip(slot, step)}"
        yield f"{'':{width}}  {_roles(slot, step)}".rstrip()
    yield "  ".join(f"{letter} {name}" for name, letter in LETTERS.items()) + "  V verdict"
    yield ""
    yield from _table(timeline.slots, width)


def _strip(slot: SlotTimeline, step: float) -> str:
    """For each piece of time the letter of what took most of it."""
    took: list[dict[str, float]] = [{} for _ in range(COLUMNS)]
    for column, letter, seconds in _pieces(slot, step):
        took[column][letter] = took[column].get(letter, 0.0) + seconds
    return "".join(max(each, key=each.__getitem__) if each else " " for each in took).rstrip()


def _pieces(slot: SlotTimeline, step: float) -> Iterator[tuple[int, str, float]]:
    for span in slot.spans:
        last = min(COLUMNS - 1, int(span.end / step))
        for column in range(min(COLUMNS - 1, int(span.begin / step)), last + 1):
            seconds = min(span.end, (column + 1) * step) - max(span.begin, column * step)
            yield column, LETTERS[span.activity], seconds


def _roles(slot: SlotTimeline, step: float) -> str:
    marks = [" "] * COLUMNS
    for span in slot.spans:
        if span.role == "verdict" and span.activity != "between":
            for column in range(int(span.begin / step), min(COLUMNS, int(span.end / step) + 1)):
                marks[column] = "V"
    return "".join(marks)


def _table(slots: list[SlotTimeline], width: int) -> Iterator[str]:
    shown = [name for name in ACTIVITIES if any(name in slot.seconds for slot in slots)]
    yield f"{'seconds':{width}}  " + "  ".join(f"{name:>10}" for name in shown)
    for slot in slots:
        cells = (f"{slot.seconds.get(name, 0.0):10.1f}" for name in shown)
        yield f"{slot.slot:{max(width, 7)}}  " + "  ".join(cells)
