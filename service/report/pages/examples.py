"""What a model made of examples, as pages show it: pictures that are right or wrong, and charts."""

from collections.abc import Sequence
from typing import NamedTuple

from metaopt.evaluation.adapted_task import ClassifiedTask, PredictedTask, ShownExample
from service.report.pages.charts import Chart, curves, predicted_over_true
from service.wire.words import numbers


class Seen(NamedTuple):
    """An example in a page.

    Args:
        source: Its picture as a data: address; "" where there is none.
        alt: The picture in words.
        mark: ✓, ✗ or nothing.
        tone: right, wrong, or nothing.
        lines: What stands below it.
    """

    source: str
    alt: str
    mark: str
    tone: str
    lines: tuple[str, ...]


class Section(NamedTuple):
    """Examples under a heading."""

    heading: str
    examples: list[Seen]


def support_sections(task: ClassifiedTask) -> list[Section]:
    """What was learned from, class by class."""
    return [
        Section(name, [_supporting(one, name) for one in task.support if one.label == label])
        for label, name in enumerate(task.classes)
    ]


def query_sections(task: ClassifiedTask) -> list[Section]:
    """What was predicted, the wrong ones first, and of those the surest."""
    wrong = [one for one in task.query if one.right is False]
    right = [one for one in task.query if one.right]
    untold = [one for one in task.query if one.right is None]
    wrong.sort(key=lambda one: -(one.probability or 0.0))
    parts = (("Wrong", wrong), ("Right", right), ("Predicted", untold))
    return [
        Section(f"{heading} ({len(some)})", [_predicted(one, task.classes) for one in some])
        for heading, some in parts
        if some
    ]


def chart_of(task: PredictedTask) -> Chart | None:
    """The curves before and after adaptation, or what was predicted over what is true."""
    return predicted_over_true(task) if task.curve is None else curves(task)


def _supporting(example: ShownExample, name: str) -> Seen:
    return Seen(_source(example), f"support example of {name}{_called(example)}", "", "",
                _lines(example))  # fmt: skip


def _predicted(example: ShownExample, classes: Sequence[str]) -> Seen:
    assert example.predicted is not None and example.probability is not None
    taken, sure = classes[example.predicted], numbers.share(example.probability)
    if example.right is None:
        alt = f"taken for {taken}, {sure}{_called(example)}"
        return Seen(_source(example), alt, "", "", (taken, sure, *_lines(example)))
    truth = classes[example.label or 0]
    if example.right:
        alt = f"right: {taken}, {sure}{_called(example)}"
        return Seen(_source(example), alt, "✓", "right", (taken, sure, *_lines(example)))
    alt = f"wrong: taken for {taken}, {sure}, but it is {truth}{_called(example)}"
    lines = (f"{taken}, {sure}", f"is {truth}", *_lines(example))
    return Seen(_source(example), alt, "✗", "wrong", lines)


def _called(example: ShownExample) -> str:
    return f" ({example.name})" if example.name else ""


def _lines(example: ShownExample) -> tuple[str, ...]:
    """A name that no picture stands for."""
    return (example.name,) if example.name and not example.png else ()


def _source(example: ShownExample) -> str:
    return f"data:image/png;base64,{example.png}" if example.png else ""
