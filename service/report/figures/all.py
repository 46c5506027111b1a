"""All figures of a report, in the order in which a reader wants them."""

from collections.abc import Callable, Iterable

import structlog

from service.report.figures.bars import cost_figures, importance_figures, verdict_figures
from service.report.figures.base import Figure
from service.report.figures.cost_front import cost_front_figures
from service.report.figures.curves import adaptation_figures, learning_figures
from service.report.figures.maps import slice_figures, stability_figures
from service.report.figures.pareto import pareto_figures
from service.report.figures.timeline import timeline_figures
from service.wire.views.report import StudyReport

log = structlog.get_logger("report")


def figures(report: StudyReport) -> list[Figure]:
    """The figures of the parts that are there; one that cannot be drawn is left out."""
    makers = (
        verdict_figures,
        cost_front_figures,
        pareto_figures,
        learning_figures,
        adaptation_figures,
        importance_figures,
        stability_figures,
        cost_figures,
        slice_figures,
        timeline_figures,
    )
    return [figure for maker in makers for figure in _drawn(maker, report)]


def _drawn(maker: Callable[[StudyReport], Iterable[Figure]], report: StudyReport) -> list[Figure]:
    try:
        return list(maker(report))
    except Exception:  # the rest of the report is worth reading without it
        log.exception("figure_failed", study_id=report.study.study_id, figures=maker.__name__)
        return []
