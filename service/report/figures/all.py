"""All figures of a report, in the order in which a reader wants them."""

from service.report.figures.bars import cost_figures, importance_figures, verdict_figures
from service.report.figures.base import Figure
from service.report.figures.curves import adaptation_figures, learning_figures
from service.report.figures.maps import slice_figures, stability_figures
from service.report.figures.pareto import pareto_figures
from service.wire.views.report import StudyReport


def figures(report: StudyReport) -> list[Figure]:
    """The figures of the parts that are there."""
    makers = (
        verdict_figures,
        pareto_figures,
        learning_figures,
        adaptation_figures,
        importance_figures,
        stability_figures,
        cost_figures,
        slice_figures,
    )
    return [figure for maker in makers for figure in maker(report)]
