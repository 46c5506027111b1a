"""Progress of a study on stderr: a live panel on a terminal, a line for each event elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from service.cli.follow import Teller
from service.cli.pages import words
from service.cli.pages.standing import finished_trials, standing, verdict_line
from service.cli.streams import silence
from service.wire.characters import printable
from service.wire.views.studies import EventView, StudyView
from service.wire.words import numbers

LAST_EVENTS = 6
HEARTBEAT_SECONDS = 60.0


@contextmanager
def telling(
    metric: str, since: datetime, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Teller]:
    """Yield what shows a study's way in the manner of the present stderr."""
    console = _Stderr(stderr=True, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        yield PlainTeller(console, metric, since, monotonic)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield LiveTeller(live, metric)


class _Stderr(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print, or stay silent where nobody can be told."""
        try:
            super().print(*objects, **options)
        except OSError:
            silence(sys.stderr)


class PlainTeller:
    """A line for each event, with the seconds since `since`, and one a minute where none happens.

    Args:
        console: Where to print.
        metric: Name of the score.
        since: When the study was submitted.
        monotonic: Seconds.
    """

    def __init__(
        self, console: Console, metric: str, since: datetime, monotonic: Callable[[], float]
    ) -> None:
        self._console, self._metric, self._since = console, metric, since
        self._monotonic = monotonic
        self._said_at, self._said_age = monotonic(), 0.0
        self._waits_for: object = None

    def event(self, event: EventView) -> None:
        """Print the event."""
        sentence = words.sentence(event, self._metric)
        if sentence is not None:
            self._say(sentence, (event.created_at - self._since).total_seconds())

    def state(self, study: StudyView) -> None:
        """Print why the study waits where that has changed, and how it stands once a minute."""
        waits_for = study.waits and (study.waits.reason, study.waits.before)
        silent_for = self._monotonic() - self._said_at
        if (waits_for and waits_for != self._waits_for) or silent_for >= HEARTBEAT_SECONDS:
            self._say(standing(study), self._said_age + silent_for)
        self._waits_for = waits_for

    def _say(self, sentence: str, age: float) -> None:
        self._said_at, self._said_age = self._monotonic(), age
        self._console.print(f"{age:7.1f} s  {printable(sentence)}", markup=False, emoji=False)


class LiveTeller:
    """A panel that is drawn again: a bar, the best of each branch, the last events."""

    def __init__(self, live: Live, metric: str) -> None:
        self._live, self._metric = live, metric
        self._last: deque[str] = deque(maxlen=LAST_EVENTS)

    def event(self, event: EventView) -> None:
        """Keep the event among the last."""
        sentence = words.sentence(event, self._metric)
        if sentence is not None:
            self._last.append(sentence)

    def state(self, study: StudyView) -> None:
        """Draw the panel."""
        self._live.update(panel(study, list(self._last)))


def panel(study: StudyView, last_events: list[str]) -> RenderableType:
    """A bar, the best of each branch, the last events."""
    done, total = finished_trials(study)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        Text(printable(study.name), style="bold"),
        Text(study.status),
        ProgressBar(total=total, completed=done, width=30),
        Text(f"{done}/{total} trials"),
    )
    lines = [Text(printable(line), style="dim") for line in last_events]
    now = [line for line in (_left(study), verdict_line(study)) if line]
    return Group(head, _branches(study), Text(printable("; ".join(now))), *lines)


def _left(study: StudyView) -> str:
    if study.waits is not None:
        return f"it {study.waits.sentence}"
    if study.seconds_left is None:
        return ""
    return f"about {numbers.seconds(study.seconds_left)} left"


def _branches(study: StudyView) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, branch in study.branches.items():
        best = branch.best
        shown = "no score yet"
        if best is not None:
            chosen = numbers.params(numbers.searched_params(study.spec, name, best.params))
            score = numbers.score(best.score, study.metric)
            where = "" if best.status == "completed" else f" at rung {best.rung:,}"
            shown = f"best {score} (trial {best.trial_number}{where})  {chosen}"
        table.add_row(Text(f"  {name}"), Text(f"{branch.trials} trials"), Text(shown))
    return table
