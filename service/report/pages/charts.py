"""Small charts that need no script: points and lines in a box of 480 × 300."""

from collections.abc import Sequence
from typing import NamedTuple

from metaopt.evaluation.adapted_task import PredictedTask
from service.wire.words import numbers

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 40

Point = tuple[float, float]


class Mark(NamedTuple):
    """Points of one kind, with where they lie in the box."""

    kind: str
    points: list[Point]


class Line(NamedTuple):
    """A line of one kind, as an SVG path."""

    kind: str
    path: str


class Label(NamedTuple):
    """A number or a name at an axis."""

    text: str
    x: float
    y: float
    anchor: str


class Chart(NamedTuple):
    """A chart.

    Args:
        says: It in words.
        lines, marks: What is drawn, in this order.
        labels: The ends of both axes and what they are.
        legend: Kind and meaning of what is drawn.
    """

    says: str
    lines: list[Line]
    marks: list[Mark]
    labels: list[Label]
    legend: list[tuple[str, str]]


def curves(task: PredictedTask) -> Chart:
    """The curve before and after adaptation with the examples, over the one input."""
    assert task.curve is not None
    line = task.curve
    support = [(p.x[0], p.y[0]) for p in task.support if p.y]
    query = [(p.x[0], p.y[0]) for p in task.query if p.y]
    before, after = (list(zip(line.x, ys, strict=True)) for ys in (line.before, line.after))
    box = _Box([*support, *query, *before, *after])
    legend = [("before", "before adaptation"), ("after", "after"), ("support", "support")]
    legend += [("query", "query, true")] if query else []
    return Chart(
        "predicted curve before and after adaptation, with the examples",
        [Line("before", box.path(before)), Line("after", box.path(after))],
        [Mark("query", box.places(query)), Mark("support", box.places(support))],
        box.labels(_first(task.inputs, "x"), _first(task.targets, "y")),
        legend,
    )


def predicted_over_true(task: PredictedTask) -> Chart | None:
    """What was predicted of each query example over what is true; None where that is not known."""
    told = [p for p in task.query if p.y and p.before and p.after]
    if not told:
        return None
    before = [(y, b) for p in told for y, b in zip(p.y or [], p.before or [], strict=True)]
    after = [(y, a) for p in told for y, a in zip(p.y or [], p.after or [], strict=True)]
    values = [value for pair in (*before, *after) for value in pair]
    ends = [(min(values), min(values)), (max(values), max(values))]
    box = _Box(ends)
    return Chart(
        "predicted over true values before and after adaptation",
        [Line("even", box.path(ends))],
        [Mark("before", box.places(before)), Mark("after", box.places(after))],
        box.labels(f"true {_first(task.targets, 'value')}", "predicted"),
        [("dot before", "before adaptation"), ("dot after", "after"), ("even", "predicted = true")],
    )


def _first(names: Sequence[str], other: str) -> str:
    return names[0] if names else other


class _Box:
    """The plane that holds some points, as a place in the chart."""

    def __init__(self, points: Sequence[Point]) -> None:
        xs, ys = zip(*points, strict=True)
        self._x, self._y = _range(xs), _range(ys)

    def places(self, points: Sequence[Point]) -> list[Point]:
        (left, right), (low, high) = self._x, self._y
        wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return [
            (
                round(LEFT + wide * (x - left) / (right - left), 1),
                round(TOP + tall * (high - y) / (high - low), 1),
            )
            for x, y in points
        ]

    def path(self, points: Sequence[Point]) -> str:
        return "M" + " L".join(f"{x} {y}" for x, y in self.places(points))

    def labels(self, x: str, y: str) -> list[Label]:
        bottom = HEIGHT - BOTTOM
        ends = [
            Label(numbers.number(self._x[0]), LEFT, bottom + 16, "start"),
            Label(numbers.number(self._x[1]), WIDTH - RIGHT, bottom + 16, "end"),
            Label(numbers.number(self._y[0]), LEFT - 6, bottom, "end"),
            Label(numbers.number(self._y[1]), LEFT - 6, TOP + 10, "end"),
        ]
        middle = (LEFT + WIDTH - RIGHT) / 2
        return [*ends, Label(f"{y} over {x}", middle, HEIGHT - 8, "middle")]


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.04 * (high - low) or 1.0
    return low - margin, high + margin
