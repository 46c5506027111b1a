"""What our own page is handed of a study or a schedule beside its rows: figures, and words.

It belongs to the page that the same server serves and changes with it; programs read the report.
"""

from typing import Any

from service.wire.views.report import RungPoint
from service.wire.views.studies import View


class FigureView(View):
    """A figure as plotly.js takes it, and the line above it."""

    heading: str = ""
    data: list[dict[str, Any]]
    layout: dict[str, Any]


class PartView(View):
    """The figures of one part of the report, under its title and caption."""

    title: str
    caption: str
    figures: list[FigureView]


class CellView(View):
    """A text and the 95 % interval that belongs to it."""

    text: str | None
    interval: str | None


class FinalistTable(View):
    """The finalists, best first."""

    header: list[str]
    rows: list[list[CellView]]


class WorthTable(View):
    """What meta-learning was worth: a row for each way without it that the spec names."""

    title: str
    header: list[str]
    rows: list[list[str]]


class GateWords(View):
    """The gates in words: their answer together, why each rule was answered so, what followed."""

    outcome: str
    reasons: list[str]
    compared: str
    promotion: str


class StudyPage(View):
    """A study's figures by part, its verdict in words, and where its trials stand.

    `score` is the best finalist's sealed score and `label` says so; without one both say that
    there is no verdict.  `last_points` holds the last rung of each search trial that has one,
    `order` their numbers, best first.
    """

    parts: dict[str, PartView]
    score: str | None
    label: str
    sentences: list[str]
    finalists: FinalistTable | None
    worth: WorthTable | None
    gates: GateWords | None
    last_points: dict[int, RungPoint]
    order: list[int]
