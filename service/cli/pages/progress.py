"""Progress of a study on stderr: a live panel on a terminal, a line for each event elsewhere."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from service.cli.console import stderr
from service.cli.follow import Teller
from service.cli.pages import words
from service.wire.characters import printable
from service.wire.views.studies import EventView, StudyView, TrialStatus
from service.wire.words import numbers

LAST_EVENTS = 6
HEARTBEAT_SECONDS = 60.0
OPEN: tuple[TrialStatus, ...] = ("queued", "running")


@contextmanager
def telling(
    metric: str, since: datetime, monotonic: Callable[[], float] = time.monotonic
) -> Iterator[Teller]:
    """Yield what shows a study's way in the manner of the present stderr."""
    console = stderr()
    if not console.is_terminal:
        yield PlainTeller(console, metric, since, monotonic)
        return
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        yield LiveTeller(live, metric)


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


def standing(study: StudyView) -> str:
    """How a study stands, in one line: why it waits, or trials, the best, and the time left."""
    if study.waits is not None:
        return f"study {study.waits.sentence}"
    done, total = finished_trials(study)
    every = [study.trials, study.replica_trials, study.verdict_trials, study.gate_trials]
    running = sum(counts.get("running", 0) for counts in every)
    parts = [f"study {study.status}: {done}/{total} trials ended, {running} in training"]
    for name, branch in study.branches.items():
        if branch.best is not None:
            score = numbers.score(branch.best.score, study.metric)
            parts.append(f"best of {name} {score} (trial {branch.best.trial_number})")
    if line := verdict_line(study):
        parts.append(line)
    if study.seconds_left is not None:
        parts.append(f"about {numbers.seconds(study.seconds_left)} left")
    return "; ".join(parts)


def finished_trials(study: StudyView) -> tuple[int, int]:
    """How many trials of the search and replicas have ended, and how many there will be."""
    every = [*study.trials.items(), *study.replica_trials.items()]
    done = sum(count for status, count in every if status not in OPEN)
    ended = study.search_ended_by is not None
    return done, sum(count for _, count in every) if ended else study.spec.budget.trials


def verdict_line(study: StudyView) -> str:
    """How the fresh trainings stand: those of the finalists, then those of the gates."""
    if any(study.gate_trials.values()):
        return f"gates: {_done(study.gate_trials)} trainings judged"
    if any(study.verdict_trials.values()):
        return f"verdict: {_done(study.verdict_trials)} fresh trainings of the finalists"
    return ""


def _done(counts: Mapping[TrialStatus, int]) -> str:
    total = sum(counts.values())
    return f"{total - sum(counts[status] for status in OPEN)}/{total}"


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
