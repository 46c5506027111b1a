"""The table of finalists, in words: a row a finalist, best first, wherever a verdict is laid out.

    finalists ──columns──▶ cells ──▶ joined: 0.5 [0.4, 0.6]      side by side: 0.5 | [0.4, 0.6]

A cell is a text and the 95 % interval that belongs to it.  A place that shows the table (our page,
the report, its Markdown, the mirror's note, the command line) names the columns it wants, its own
headings for them and its own mark for what is absent; what a cell says is decided here.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from service.wire.spec.study import StudySpec
from service.wire.views.judged import Estimate
from service.wire.views.result import Finalist, SealedScore, SearchScore, StudyResult
from service.wire.words import numbers


class Table(NamedTuple):
    """Headings, and rows of as many texts."""

    header: tuple[str, ...]
    rows: list[list[str]]


class Cell(NamedTuple):
    """A text and its interval, each None where there is none."""

    text: str | None
    interval: str | None = None


class Column(NamedTuple):
    """How a finalist's cell is made of it, its spec and the metric."""

    cell: Callable[[Finalist, StudySpec, str], Cell]
    has_interval: bool = False


def joined(
    spec: StudySpec, result: StudyResult, headings: Mapping[str, str], *, absent: str
) -> Table:
    """The table with each interval behind its text; `headings` are by `COLUMNS`' names."""
    rows = [
        [" ".join(filter(None, cell)) or absent for cell in row]
        for row in finalist_cells(spec, result, headings)
    ]
    return Table(tuple(headings.values()), rows)


def side_by_side(
    spec: StudySpec, result: StudyResult, headings: Mapping[str, str], *, absent: str
) -> Table:
    """The table with each interval in a column of its own; `headings` as for `joined`."""
    header: list[str] = []
    for name, heading in headings.items():
        header += [heading, "95 %"] if COLUMNS[name].has_interval else [heading]
    rows = []
    for cells in finalist_cells(spec, result, headings):
        row = []
        for name, cell in zip(headings, cells, strict=True):
            texts = cell if COLUMNS[name].has_interval else cell[:1]
            row += [absent if text is None else text for text in texts]
        rows.append(row)
    return Table(tuple(header), rows)


def finalist_cells(
    spec: StudySpec, result: StudyResult, columns: Mapping[str, str]
) -> list[list[Cell]]:
    """A row of cells for each finalist, best first."""
    return [
        [COLUMNS[name].cell(finalist, spec, result.metric) for name in columns]
        for finalist in result.finalists
    ]


def _params(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    searched = numbers.searched_params(spec, finalist.branch, finalist.params)
    return Cell(numbers.params(searched) or None)


def _score(score: SearchScore | SealedScore | None, metric: str) -> Cell:
    if score is None:
        return Cell(None)
    interval = numbers.interval(score.low, score.high, metric)
    return Cell(numbers.score(score.score, metric), interval)


def _difference(value: float | None, estimate: Estimate | None, metric: str) -> Cell:
    interval = numbers.interval(estimate.low, estimate.high, metric) if estimate else None
    return Cell(None if value is None else numbers.difference(value, metric), interval)


def _optimism(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    return _difference(finalist.optimism, finalist.optimism_interval, metric)


def _to_best(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    distance = finalist.to_best
    return _difference(distance.value if distance else None, distance, metric)


def _optimism_in_points(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    if finalist.optimism is None:
        return Cell(None)
    sign = "+" if finalist.optimism > 0 else "−"
    return Cell(f"{sign}{numbers.distance(finalist.optimism, metric)}")


def _steps(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    if finalist.steps is None:
        return Cell(None)
    own, chosen = finalist.steps.own, finalist.steps.chosen
    return Cell(str(own) if own == chosen else f"{chosen} (own {own})")


def _standing(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    return Cell("best" if finalist.rank == 1 else "yes" if finalist.tied_with_best else "no")


def _broken_runs(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    runs = enumerate(finalist.runs, start=1)
    broken = [f"seed {seed} {run.status}" for seed, run in runs if run.status != "completed"]
    return Cell(", ".join(broken) or None)


def _search_rank(finalist: Finalist, spec: StudySpec, metric: str) -> Cell:
    return Cell(None if finalist.search_rank is None else str(finalist.search_rank))


COLUMNS: Mapping[str, Column] = {
    "rank": Column(lambda finalist, spec, metric: Cell(str(finalist.rank))),
    "trial": Column(lambda finalist, spec, metric: Cell(str(finalist.trial_number))),
    "branch": Column(lambda finalist, spec, metric: Cell(finalist.branch)),
    "parameters": Column(_params),
    "search": Column(lambda finalist, spec, metric: _score(finalist.search, metric), True),
    "sealed": Column(lambda finalist, spec, metric: _score(finalist.sealed, metric), True),
    "optimism": Column(_optimism, True),
    "optimism_in_points": Column(_optimism_in_points),
    "search_rank": Column(_search_rank),
    "to_best": Column(_to_best, True),
    "steps_at_test": Column(_steps),
    "tied": Column(_standing),
    "device_seconds": Column(lambda finalist, spec, metric: Cell(f"{finalist.device_seconds:.1f}")),
    "broken_runs": Column(_broken_runs),
}
