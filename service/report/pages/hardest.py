"""What was hardest for the winner, as the report's page and its Markdown show it."""

from typing import NamedTuple

from metaopt.evaluation.hard_tasks import HardClass, HardTask
from service.report.pages.charts import Chart
from service.report.pages.examples import (
    Section,
    Seen,
    chart_of,
    query_sections,
    support_sections,
)
from service.wire.views.report import HardestReport, StudyReport
from service.wire.words import numbers
from service.wire.words.finalists import Table

FEW = 30
"""Query examples below which a share of them says little: its 95 % interval is ± 18 points."""

MOST_NAMES = 8
"""Of the classes of a task in a table."""


class TaskCard(NamedTuple):
    """A hard task in the page."""

    number: int
    heading: str
    sentences: list[str]
    support: list[Section]
    query: list[Section]
    chart: Chart | None


class HardestCard(NamedTuple):
    """The part of the page."""

    sentence: str
    classes: list[Section]
    tasks: list[TaskCard]

    @property
    def has_charts(self) -> bool:
        """Whether tasks are narrow, so that several stand side by side."""
        return any(task.chart for task in self.tasks)


def hardest_card(report: StudyReport) -> HardestCard | None:
    """The part, or None where there is nothing to show."""
    found = report.hardest
    if found is None:
        return None
    classes = [_class(one) for one in found.classes]
    return HardestCard(
        looked_at(found),
        [Section("Classes", classes)] if classes else [],
        [_task(report, task) for task in found.tasks],
    )


def looked_at(found: HardestReport) -> str:
    """How much was looked at, in a sentence."""
    classes = f" with {found.known:,} classes" if found.known else ""
    named = "; these were recognised least often" if found.classes else ""
    few = any(one.examples < FEW for one in found.classes)
    warning = f" Below {FEW} examples a share says little." if few else ""
    return f"The worker looked at {found.judged:,} tasks{classes}{named}.{warning}"


def hard_task_rows(report: StudyReport) -> Table:
    """The hardest tasks and, below them, the hardest classes."""
    found = report.hardest
    rows = []
    for task in found.tasks if found else []:
        what = _names(task.classified.classes) if task.classified else task.sentence
        rows.append([f"task {task.number}", _score(report, task), what or "–"])
    for one in found.classes if found else []:
        rows.append([f"class {one.name}", _share(one), _taken(one)])
    return Table(("hardest", "score, or recognised", ""), rows)


def _names(classes: list[str]) -> str:
    more = ["…"] if len(classes) > MOST_NAMES else []
    return " · ".join([*classes[:MOST_NAMES], *more])


def _task(report: StudyReport, task: HardTask) -> TaskCard:
    sentences = [task.sentence] if task.sentence else []
    if task.diverged:
        sentences.append("adaptation diverged, so nothing was predicted")
    if task.classified and task.classified.hidden:
        sentences.append(f"{task.classified.hidden} of the query examples not shown")
    errors = task.predicted.errors() if task.predicted else None
    if errors is not None:
        before, after = map(numbers.number, errors)
        sentences.append(f"mean squared error {before} before adaptation, {after} after")
    return TaskCard(
        task.number,
        f"Task {task.number}: {_score(report, task)}",
        sentences,
        [one for one in support_sections(task.classified) if one.examples]
        if task.classified
        else [],
        query_sections(task.classified) if task.classified else [],
        chart_of(task.predicted) if task.predicted else None,
    )


def _class(one: HardClass) -> Seen:
    source = f"data:image/png;base64,{one.png}" if one.png else ""
    return Seen(source, f"an example of {one.name}", "", "", (one.name, _share(one), _taken(one)))


def _share(one: HardClass) -> str:
    few = ", few" if one.examples < FEW else ""
    told = f"{one.right} of {one.examples} right{few}"
    return f"{numbers.share(one.right / one.examples)}: {told}"


def _taken(one: HardClass) -> str:
    if one.taken_for is None:
        return "adaptation diverged"
    return f"taken for {one.taken_for} ({one.taken})"


def _score(report: StudyReport, task: HardTask) -> str:
    return numbers.score(task.score, report.study.metric)
