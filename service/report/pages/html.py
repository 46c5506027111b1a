"""The report as one page: figures, tables, styles and plotly.js in it, nothing loaded from outside.

`page.html` is its template, and escapes whatever it is handed (names and causes are a user's).
Only our own style, our own script, plotly.js and the figures go in as they are: figures travel as
JSON in which no `<` is left.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from markupsafe import Markup

from service.report.figures.all import figures
from service.report.figures.base import Figure
from service.report.pages.captions import CAPTIONS, Caption
from service.report.pages.hardest import hardest_card
from service.report.pages.sentences import headline
from service.report.pages.summary import cost_front_rows, cost_rows, finalist_rows, pareto_rows
from service.report.pages.templates import asset, template
from service.wire.spec.study import StudySpec
from service.wire.views.report import StudyReport
from service.wire.words import numbers
from service.wire.words.branches import trained_by
from service.wire.words.finalists import Table
from service.wire.words.instants import instant
from service.wire.words.meta_learning import CAPTION, TITLE, worth_table
from service.wire.words.plugins import plugins

_TABLES: Mapping[str, Callable[[StudyReport], Table]] = {
    "verdict": finalist_rows,
    "cost_front": cost_front_rows,
    "pareto": pareto_rows,
    "cost": cost_rows,
}


class Plot(NamedTuple):
    """A figure's place in the page; the script draws into it by its number."""

    number: int
    heading: str
    height: int


class Card(NamedTuple):
    """A part of the report: its figures, and its table if it has one."""

    part: str
    caption: Caption
    plots: list[Plot]
    table: Table | None
    wide: bool


def html_page(report: StudyReport) -> str:
    """The page; it opens from disk and asks the network for nothing."""
    drawn = figures(report)
    return template("page.html").render(
        study=report.study,
        facts=_facts(report),
        answer=headline(report),
        cards=_cards(report, drawn),
        worth=worth_table(report.verdict),
        worth_caption=Caption(TITLE, CAPTION),
        hardest=hardest_card(report),
        hardest_caption=CAPTIONS["hardest"],
        absent=[(CAPTIONS[part].title, reason) for part, reason in report.absent.items()],
        spec=json.dumps(report.study.spec.model_dump(mode="json"), indent=2, ensure_ascii=False),
        made_at=instant(report.made_at, "minutes"),
        style=asset("page.css") + asset("examples.css"),
        figures=_json(drawn),
        plotly=_plotly(),
        theme=asset("theme.js"),
        script=asset("page.js"),
    )


@cache
def _plotly() -> Markup:
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    return Markup(get_plotlyjs())  # noqa: S704  # a script of the installed package


def _json(drawn: Sequence[Figure]) -> Markup:
    document = [{"data": figure.data, "layout": figure.layout} for figure in drawn]
    text = json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return Markup(text)  # noqa: S704  # escaped as JSON in a script is, above


def _facts(report: StudyReport) -> list[str]:
    study = report.study
    counts = numbers.counts(study.trials)
    facts = [
        f"{study.metric}, {'more' if study.maximize else 'less'} is better",
        f"{sum(study.trials.values())} trials: {counts}" if counts else "no trials yet",
        f"submitted {instant(study.created_at, 'minutes')}",
        f"study {study.study_id[:8]}",
        *plugins(study.plugins),
    ]
    if report.cost is not None:
        facts.insert(2, f"{numbers.seconds(report.cost.device_seconds)} of devices")
    return [*facts, *_branches(study.spec)]


def _branches(spec: StudySpec) -> Iterator[str]:
    """What branches train whose names do not say so."""
    for branch in spec.branches:
        if trained := trained_by(spec, branch.name):
            yield f"{branch.name}: {trained}"


def _cards(report: StudyReport, drawn: Sequence[Figure]) -> list[Card]:
    parts = list(dict.fromkeys(figure.part for figure in drawn))
    wide = _wide_parts(parts, drawn)
    return [
        Card(
            part,
            CAPTIONS[part],
            [_plot(number, figure) for number, figure in enumerate(drawn) if figure.part == part],
            _TABLES[part](report) if part in _TABLES else None,
            part in wide,
        )
        for part in parts
    ]


def _plot(number: int, figure: Figure) -> Plot:
    return Plot(number, figure.heading, figure.layout["height"])


def _wide_parts(parts: Sequence[str], drawn: Sequence[Figure]) -> set[str]:
    wide = set()
    half = None  # a narrow card that has no neighbour yet
    for part in parts:
        own = [figure for figure in drawn if figure.part == part]
        if len(own) > 1 or own[0].wide:
            wide |= {part, half or part}
            half = None
        else:
            half = part if half is None else None
    return wide | ({half} if half else set())
