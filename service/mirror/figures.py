"""The report's figures in Optuna Dashboard, on the page of each branch that has ended.

A branch sees its own learning curves, slices, importances and stability, and of the verdict all
finalists.  Each figure has an id that never changes, so that saving it again replaces it.

Optuna keeps a figure as text in pieces of 2045 characters, each a row; so
figures above `MOST_CHARACTERS` (of thousands of trials) stay with the report, and the note says
which.  They are made once, when all of a study's trials have ended.
"""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import structlog
from optuna.study import Study as OptunaStudy
from optuna_dashboard import save_plotly_graph_object  # type: ignore[import-untyped]

from service.report.data import Rows, study_report
from service.report.figures.all import figures
from service.report.figures.base import Figure
from service.report.pages.captions import CAPTIONS
from service.wire.views.report import StudyReport

MOST_CHARACTERS = 250_000
HEIGHT = 440  # the dashboard's frame has 450 pixels
QUIET_INK = "#7b8492"  # reads on its light page and on its dark one
BY_BRANCH = ("learning_curves", "slices", "importances", "stability")

log = structlog.get_logger("mirror")


class Drawn(NamedTuple):
    """A figure as `save_plotly_graph_object` takes it: what it asks of plotly's is its JSON."""

    graph_object_id: str
    title: str
    text: str

    def to_json(self) -> str:
        """Data and layout."""
        return self.text


def branch_figures(rows: Rows) -> dict[str, list[Drawn]]:
    """The figures of each branch of an ended study, in the report's order.

    Empty if they cannot be made: trials and verdict are worth showing without them, so whatever
    the cause is, it is logged and does not stop the mirror.
    """
    study = rows.study
    try:
        report = study_report(rows, now=study.finished_at or study.created_at)
        names = [branch.name for branch in study.spec.branches]
        return {
            name: [_drawn(figure) for figure in figures(of_branch(report, name))] for name in names
        }
    except Exception as error:
        log.warning("mirror_figures_failed", study_id=study.study_id, error=str(error))
        return {}


def fitting(drawn: Sequence[Drawn]) -> tuple[list[Drawn], list[str]]:
    """Those that are small enough to be saved, and the titles of the others."""
    small = [figure for figure in drawn if len(figure.text) <= MOST_CHARACTERS]
    return small, [figure.title for figure in drawn if len(figure.text) > MOST_CHARACTERS]


def save_figures(study: OptunaStudy, drawn: Sequence[Drawn]) -> None:
    """Save the figures, in place of those that have their ids."""
    for figure in drawn:
        save_plotly_graph_object(study, figure, graph_object_id=figure.graph_object_id)


def of_branch(report: StudyReport, branch: str) -> StudyReport:
    """The report with nothing of other branches but their finalists and their cost."""
    parts = {
        name: [row for row in getattr(report, name) or [] if row.branch == branch] or None
        for name in BY_BRANCH
    }
    return report.model_copy(update=parts)


def _drawn(figure: Figure) -> Drawn:
    title = CAPTIONS[figure.part].title
    layout: dict[str, Any] = figure.layout | {
        "title": {"text": f"<b>{title}</b>", "x": 0.01, "xanchor": "left", "font": {"size": 16}},
        "font": figure.layout["font"] | {"color": QUIET_INK},
        "height": HEIGHT,
        "margin": {"l": 60, "r": 16, "t": 96, "b": 52},
    }
    document = {"data": figure.data, "layout": layout}
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return Drawn(f"metaopt-{figure.part.replace('_', '-')}", title, text)
