"""What a kind of tasks is: its options, its score and its shapes, known without loading any data.

Shapes are numbers, or names of options that are: plain data, which a plug-in's record can be
described by where its code is never imported.  A kind that is used here alone may have functions.

No torch here: a study's spec is checked, sized and named by whoever reads it, and only a worker
calls `make`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from metaopt.errors import InvalidTasks
from metaopt.messages import shown
from metaopt.metrics.metric import Metric
from metaopt.metrics.registry import METRICS
from metaopt.options import Option, Options, complete

SPLITS = ("train", "validation", "test")

METRIC = "metric"
"""The option of tasks that says how they are scored, and nothing of what is drawn or trained."""

FITTING = "fitting"
_FITTING_DOC = "fitting is accuracy for classes, mse for numbers."

SHOTS = (
    Option("k_shot", "int", 10, minimum=1, maximum=10_000),
    Option("q_query", "int", 10, minimum=1, maximum=10_000),
)
"""Support and query examples of a task whose examples are drawn without end."""

Shape = tuple[int | str, ...] | Callable[[Options], tuple[int, ...]]
"""Of one input: whole numbers and names of options, as ("size", 3); or from the options."""

Width = int | str | Callable[[Options], int]
"""A whole number, or the name of an option that is one; or from the options."""


@dataclass(frozen=True, eq=False)
class TaskKind:
    """One kind of tasks.

    Args:
        name: As `tasks.kind` in specs.
        doc: One sentence about a task.
        options: With `k_shot` and `q_query`, examples per class (per task in regression).
        metrics: Names of those that a task may be scored by (`metaopt.metrics`), the default first.
            Several are an option `metric`.
        make: (options, device, dtype, path) -> `metaopt.tasks.base.Tasks`; imports torch when
            called.  `path` is a user's own copy of the data, or None.
        input_shape: Shape of one input.
        outputs: Width of the model's output: classes, or numbers to predict.
        examples_per_class: How many there are; None if they are drawn without end.
        examples: What they are called, e.g. "drawings of a character".
        check: Raises `InvalidTasks` where options do not go together.
        loss: (outputs, y) -> the mean loss of each task (*B,), for outputs (*B, N, C) and targets y
            (*B, N, …): what inner steps and meta-gradients are of, in place of cross-entropy or
            squared error.  Scores stay those of the metric.
        different: (options, split) -> how many different tasks a split has; None is no end of them.
        most_ways: Most classes of a task of meta-training, where that may ask for another number
            than `outputs` says (`metaopt.tasks.base.OfOtherWays`); None where it may not.  A
            number, or that from the options.
        example_inputs: How many inputs a model answers for one example: of tasks that are acted in
            the actions of a trajectory (`metaopt.tasks.base.Interactive`).
        numbered_classes: Whether its tasks, where they have classes, say which of all classes of a
            split those are (`metaopt.tasks.base.NumberedClasses`).
        classifies: Whether targets are class indices, or that from the options; None is as the
            first metric has it, and then all have to.
    """

    name: str
    doc: str
    options: tuple[Option, ...]
    metrics: tuple[str, ...]
    make: Callable[..., Any]
    input_shape: Shape
    outputs: Width = 1
    examples_per_class: int | None = None
    examples: str = "examples of a class"
    check: Callable[[Options], None] = lambda options: None
    different: Callable[[Options, str], int | None] = lambda options, split: None
    most_ways: int | None | Callable[[Options], int | None] = None
    example_inputs: Width = 1
    numbered_classes: bool = False
    classifies: bool | Callable[[Options], bool] | None = None
    loss: Callable[[Any, Any], Any] | None = None

    def __post_init__(self) -> None:
        """Demand the numbers of examples, which every bank and every algorithm asks for."""
        missing = {"k_shot", "q_query"} - {option.name for option in self.options}
        if missing:
            raise InvalidTasks(f"tasks {self.name} need an option {min(missing)}: add SHOTS")
        sorts = {METRICS.get(name).target for name in self.metrics}
        if not sorts or (len(sorts) > 1 and self.classifies is None):
            raise InvalidTasks(
                f"tasks {self.name} need metrics of classification or of regression, got "
                f"{', '.join(self.metrics) or 'none'}"
            )
        self._check_lengths()
        own = tuple(option for option in self.options if option.name != METRIC)
        object.__setattr__(self, "options", (*own, *self._choice_of_metric()))

    def _check_lengths(self) -> None:
        """Demand that shapes given as data are lengths, or options that are."""
        shape = () if callable(self.input_shape) else self.input_shape
        width = tuple(w for w in (self.outputs, self.example_inputs) if not callable(w))
        lengths = {option.name for option in self.options if _is_length(option)}
        if not isinstance(shape, tuple):
            raise InvalidTasks(
                f"input_shape of tasks {self.name} must be a tuple of whole numbers and names of "
                f"options, as (1, 28, 28), got {shown(shape)}"
            )
        for length in (*shape, *width):
            named = isinstance(length, str) and length in lengths
            if not named and (type(length) is not int or length < 1):
                raise InvalidTasks(
                    f"shapes of tasks {self.name} must be whole numbers >= 1, or names of int "
                    f"options with such a minimum, got {shown(length)}"
                )

    def _choice_of_metric(self) -> tuple[Option, ...]:
        if len(self.metrics) == 1:
            return ()
        doc = "What a task is scored by; training does not depend on it."
        if self.classifies is None:
            return (Option(METRIC, "choice", self.metrics[0], doc, choices=self.metrics),)
        names = (FITTING, *self.metrics)
        return (Option(METRIC, "choice", FITTING, f"{doc} {_FITTING_DOC}", choices=names),)

    def metric(self, options: Options) -> Metric:
        """What a task with these options is scored by.

        Raises:
            InvalidTasks: one of classes for numbers to predict, or the other way round.
        """
        known = [METRICS.get(name) for name in self.metrics]
        fitting = [m for m in known if m.classification == self.classification(options)]
        name = options.get(METRIC, FITTING)
        if name == FITTING:
            return fitting[0]
        for metric in fitting:
            if metric.name == name:
                return metric
        raise InvalidTasks(
            f"metric must be one of {', '.join(m.name for m in fitting)} for such data, got "
            f"{shown(name)}"
        )

    def classification(self, options: Options) -> bool:
        """Whether targets are class indices."""
        if callable(self.classifies):
            return self.classifies(options)
        if self.classifies is not None:
            return self.classifies
        return METRICS.get(self.metrics[0]).classification

    def shape(self, options: Options) -> tuple[int, ...]:
        """Shape of one input of tasks with these options."""
        if callable(self.input_shape):
            return self.input_shape(options)
        return tuple(_length(one, options) for one in self.input_shape)

    def width(self, options: Options) -> int:
        """Width of the model's output for tasks with these options."""
        return self.outputs(options) if callable(self.outputs) else _length(self.outputs, options)

    def inputs(self, options: Options) -> int:
        """How many inputs a model answers for one example of tasks with these options."""
        each = self.example_inputs
        return each(options) if callable(each) else _length(each, options)

    def classes(self, options: Options) -> int:
        """Classes of a task, by which shots are multiplied; 1 in regression."""
        return self.width(options) if self.classification(options) else 1

    def complete(self, options: Options) -> dict[str, Any]:
        """Its name and the options checked, with the default of every other.

        Raises:
            InvalidTasks: an unknown option, or a value that breaks its rule.
        """
        values = complete(f"tasks {self.name}", self.options, options, InvalidTasks)
        self.check_options(values)
        return {"kind": self.name, **values}

    def check_options(self, options: Options) -> None:
        """Refuse options that do not go together.

        Raises:
            InvalidTasks: more examples than there are, or what `check` refuses.
        """
        self.check_shots(options["k_shot"], options["q_query"])
        self.check(options)
        self.metric(options)

    def check_shots(self, k_shot: int, q_query: int, where: str = "") -> None:
        """Refuse more examples of a class than there are.

        Args:
            where: Path of the two fields, e.g. "evaluation.".

        Raises:
            InvalidTasks: there are fewer.
        """
        if not self.has(k_shot + q_query):
            raise InvalidTasks(
                f"{where}k_shot + {where}q_query must be at most {self.stock}, "
                f"got {k_shot} + {q_query}"
            )

    def check_ways(self, options: Options, n_way: float, asked_by: str) -> None:
        """Refuse tasks of meta-training with so many classes; 0 are their own.

        Args:
            asked_by: Name of the parameter that asks for it.

        Raises:
            InvalidTasks: such tasks are not drawn.
        """
        most = self.most_ways(options) if callable(self.most_ways) else self.most_ways
        if n_way and most is None:
            raise InvalidTasks(
                f"{asked_by} must be 0 for tasks {self.name}, which are not drawn with another "
                f"number of classes than their own, got {n_way:g}"
            )
        if n_way and most is not None and not 2 <= n_way <= most:
            raise InvalidTasks(
                f"{asked_by} must be 0, or between 2 and the {most} classes of meta-training, got "
                f"{n_way:g}"
            )

    def has(self, examples: float) -> bool:
        """Whether a class has as many examples."""
        return self.examples_per_class is None or examples <= self.examples_per_class

    @property
    def stock(self) -> str:
        """All examples of a class, in words."""
        return f"the {self.examples_per_class} {self.examples}"


def _is_length(option: Option) -> bool:
    return option.type == "int" and option.minimum >= 1


def _length(length: int | str, options: Options) -> int:
    return int(options[length]) if isinstance(length, str) else length
