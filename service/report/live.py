"""A study on our own page: the report's figures and words, as cheap as a live page needs them.

Parts that take long to make (importances) or that matter once a study has ended are left to the
report.  Of many curves the best of each branch are drawn, so that a page that is drawn again and
again stays quick.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import count

from service.report.data import Rows, study_report
from service.report.figures.all import figures
from service.report.pages.captions import CAPTIONS, Caption
from service.report.pages.sentences import headline
from service.wire.spec.study import StudySpec
from service.wire.views.gate_report import GateReport
from service.wire.views.page import (
    CellView,
    FigureView,
    FinalistTable,
    GateWords,
    PartView,
    StudyPage,
    WorthTable,
)
from service.wire.views.report import AdaptationCurve, LearningCurve, StudyReport
from service.wire.views.result import StudyResult
from service.wire.words import gates
from service.wire.words.finalists import finalist_cells
from service.wire.words.judgement import judgement_sentences
from service.wire.words.meta_learning import TITLE, worth_table

PARTS = ("verdict", "cost_front", "pareto", "learning_curves", "adaptation")
MOST_CURVES = 150
FINALISTS = {
    "rank": "rank", "trial": "trial", "branch": "branch", "search": "search", "sealed": "sealed",
    "optimism": "optimism", "to_best": "minus best", "tied": "tied", "broken_runs": "broken",
    "parameters": "searched parameters",
}  # fmt: skip
LEADERS = Caption(
    "Adaptation of the best so far",
    "Mean score after each inner step on a new task of the search's bank, of the best trial of "
    "each branch.",
)


def study_page(rows: Rows, *, now: datetime, most_curves: int = MOST_CURVES) -> StudyPage:
    """The study's page, whatever its status."""
    report = study_report(rows, now=now, parts=PARTS)
    captions = CAPTIONS if report.adaptation else CAPTIONS | {"adaptation": LEADERS}
    answer = headline(report)
    return StudyPage(
        parts=_parts(_live(report, rows, most_curves), captions),
        order=[curve.trial_number for curve in report.learning_curves or []],
        score=answer.score,
        label=answer.label,
        sentences=_sentences(report),
        finalists=_finalists(rows.study.spec, rows.result) if rows.result else None,
        worth=_worth(rows.result),
        gates=_gates(rows.result.gates) if rows.result and rows.result.gates else None,
        last_points={number: points[-1] for number, points in rows.points.items() if points},
    )


def _live(report: StudyReport, rows: Rows, most_curves: int) -> StudyReport:
    """The report with no more curves than can be told apart, and the leaders' adaptation."""
    shown = {
        "learning_curves": _fewer(report.learning_curves or [], most_curves) or None,
        "adaptation": report.adaptation or _leaders(rows) or None,
    }
    return report.model_copy(update=shown)


def _fewer(curves: Sequence[LearningCurve], most: int) -> list[LearningCurve]:
    """At most so many of curves that come best first, from each branch in turn."""
    places: dict[str, Iterator[int]] = defaultdict(count)
    return sorted(curves, key=lambda curve: next(places[curve.branch]))[:most]


def _leaders(rows: Rows) -> list[AdaptationCurve]:
    """Curves of the best trial of each branch."""
    branch_of = {trial.trial_number: trial.branch for trial in rows.trials}
    return [
        AdaptationCurve(
            rank=None,
            trial_number=number,
            branch=branch_of[number],
            search=curve,
            sealed=None,
        )
        for number, curve in rows.curves.items()
    ]


def _parts(report: StudyReport, captions: Mapping[str, Caption]) -> dict[str, PartView]:
    parts: dict[str, PartView] = {}
    for figure in figures(report):
        view = FigureView(heading=figure.heading, data=figure.data, layout=figure.layout)
        caption = captions[figure.part]
        part = parts.setdefault(
            figure.part, PartView(title=caption.title, caption=caption.sentence, figures=[])
        )
        part.figures.append(view)
    return parts


def _sentences(report: StudyReport) -> list[str]:
    """The verdict but for its gates, which have a card of their own."""
    result, spec = report.verdict, report.study.spec
    if result is None or not result.finalists:
        return headline(report).sentences
    return judgement_sentences(spec, result)


def _finalists(spec: StudySpec, result: StudyResult) -> FinalistTable:
    runs = [run for finalist in result.finalists for run in finalist.runs]
    broken = any(run.status != "completed" for run in runs)
    headings = {n: text for n, text in FINALISTS.items() if broken or n != "broken_runs"}
    rows = finalist_cells(spec, result, headings)
    cells = [[CellView(text=cell.text, interval=cell.interval) for cell in row] for row in rows]
    return FinalistTable(header=list(headings.values()), rows=cells)


def _worth(result: StudyResult | None) -> WorthTable | None:
    table = worth_table(result)
    return table and WorthTable(title=TITLE, header=list(table.header), rows=table.rows)


def _gates(report: GateReport) -> GateWords:
    return GateWords(
        outcome=gates.outcome(report),
        reasons=[gates.reason(answer) for answer in report.answers],
        compared=gates.compared(report),
        promotion=" ".join(gates.promotion(report)),
    )
