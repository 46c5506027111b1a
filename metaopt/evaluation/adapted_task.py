"""What a model makes of one task, for somebody to look at; plain data, no torch.

ClassifiedTask    examples with their classes, and what each query example was taken for
PredictedTask     points, and what was predicted there before and after adaptation
"""

from dataclasses import dataclass, field

CURVE_POINTS = 81


@dataclass(frozen=True)
class ShownExample:
    """An example of a class.

    Args:
        label: Its class by place; None where that is not known.
        png: Base64 of its picture; "" where it is none.
        name: What it is called, if it has a name.
        predicted: What a query example was taken for.
        probability: Of that, in [0, 1].
    """

    label: int | None
    png: str = ""
    name: str = ""
    predicted: int | None = None
    probability: float | None = None

    @property
    def right(self) -> bool | None:
        """Whether the prediction is right; None where that cannot be told."""
        if self.label is None or self.predicted is None:
            return None
        return self.label == self.predicted


@dataclass(frozen=True)
class ClassifiedTask:
    """A task of classes.

    Args:
        classes: Their names.
        support, query: Its examples.
        hidden: Query examples beside those that are shown.
    """

    classes: list[str]
    support: list[ShownExample]
    query: list[ShownExample]
    hidden: int = 0


@dataclass(frozen=True)
class ShownPoint:
    """An example of numbers: inputs, targets (None where not known), and predictions."""

    x: list[float]
    y: list[float] | None
    before: list[float] | None = None
    after: list[float] | None = None


@dataclass(frozen=True)
class Curve:
    """The first output over the one input, before and after adaptation."""

    x: list[float]
    before: list[float]
    after: list[float]


@dataclass(frozen=True)
class PredictedTask:
    """A task of numbers.

    Args:
        support, query: Its examples; predictions of query examples.
        curve: Where there is one input.
        inputs, targets: What they are called; [] where they have no names.
    """

    support: list[ShownPoint]
    query: list[ShownPoint]
    curve: Curve | None = None
    inputs: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

    def errors(self) -> tuple[float, float] | None:
        """Mean squared error before and after adaptation, if all targets are known."""
        told = [point for point in self.query if point.y is not None]
        if not told or len(told) < len(self.query):
            return None
        before = [_square(point.before or [], point.y or []) for point in told]
        after = [_square(point.after or [], point.y or []) for point in told]
        return sum(before) / len(told), sum(after) / len(told)


def _square(predicted: list[float], y: list[float]) -> float:
    return sum((p - q) ** 2 for p, q in zip(predicted, y, strict=True)) / len(y)
