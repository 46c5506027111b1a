"""What a winner predicts of somebody's own examples, as one page: nothing loaded from outside."""

from typing import NamedTuple

from metaopt.evaluation.adapted_task import ClassifiedTask, PredictedTask
from service.report.pages.examples import chart_of, query_sections, support_sections
from service.report.pages.templates import asset, template
from service.wire.words import numbers
from service.wire.words.finalists import Table

MOST_ROWS = 200
MOST_COLUMNS = 6


class Recipe(NamedTuple):
    """What was adapted and how.

    Args:
        source: How the winner was named.
        algorithm, inner_lr, steps: Of its adaptation.
        together: Whether a prediction depends on which examples are predicted with it.
    """

    source: str
    algorithm: str
    inner_lr: float
    steps: int
    together: bool = False

    def sentence(self, examples: int) -> str:
        """The same in words."""
        many = "1 example" if examples == 1 else f"{examples} examples"
        return (
            f"{self.algorithm} adapted to {many} by {self.steps} inner steps at {self.inner_lr:g}"
        )

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "algorithm": self.algorithm,
            "inner_lr": self.inner_lr,
            "inner_steps": self.steps,
        }


def predictions_page(task: ClassifiedTask | PredictedTask, recipe: Recipe) -> str:
    """The page."""
    classes = isinstance(task, ClassifiedTask)
    return template("predictions.html").render(
        recipe=recipe,
        sentence=recipe.sentence(len(task.support)),
        answer=_right(task) if isinstance(task, ClassifiedTask) else _errors(task),
        queries=len(task.query),
        support=support_sections(task) if isinstance(task, ClassifiedTask) else [],
        query=query_sections(task) if isinstance(task, ClassifiedTask) else [],
        chart=chart_of(task) if isinstance(task, PredictedTask) else None,
        table=class_rows(task) if isinstance(task, ClassifiedTask) else _point_rows(task),
        classes=classes,
        style=asset("page.css"),
        own_style=asset("examples.css"),
    )


def _right(task: ClassifiedTask) -> tuple[str, str]:
    told = [one.right for one in task.query if one.right is not None]
    if not told:
        return "", "The query set has no classes, so nobody can say here what is right."
    return numbers.share(sum(told) / len(told)), f"{sum(told)} of {len(told)} right"


def _errors(task: PredictedTask) -> tuple[str, str]:
    errors = task.errors()
    if errors is None:
        return "", "The query set has no targets, so nobody can say here how far off it is."
    before, after = map(numbers.number, errors)
    return after, f"mean squared error; before adaptation {before}"


def class_rows(task: ClassifiedTask) -> Table | None:
    """How often each class was told, and for what it was taken else; None where nobody knows."""
    rows = []
    for label, name in enumerate(task.classes):
        own = [one for one in task.query if one.label == label and one.right is not None]
        if not own:
            continue
        wrong = [task.classes[one.predicted or 0] for one in own if not one.right]
        counted = {other: wrong.count(other) for other in dict.fromkeys(wrong)}
        taken = ", ".join(f"{other} ({count})" for other, count in counted.items())
        rows.append([name, f"{len(own) - len(wrong)} of {len(own)}", taken or "–"])
    return Table(("class", "right", "taken for"), rows) if rows else None


def _point_rows(task: PredictedTask) -> Table:
    first = task.query[0]
    wide = len(first.x)
    names = task.inputs or [f"x{place + 1}" if wide > 1 else "x" for place in range(wide)]
    outputs = task.targets or ["y"] * len(first.after or [0])
    shown = names[:MOST_COLUMNS]
    header = [*shown, *(["…"] if wide > len(shown) else [])]
    header += [f"{said} {name}" for name in outputs for said in ("true", "before", "after")]
    rows = []
    for point in task.query[:MOST_ROWS]:
        cells = [numbers.number(value) for value in point.x[: len(shown)]]
        cells += ["…"] if wide > len(shown) else []
        for place in range(len(outputs)):
            sides = (point.y, point.before, point.after)
            cells += ["–" if side is None else numbers.number(side[place]) for side in sides]
        rows.append(cells)
    return Table(tuple(header), rows)
