"""What a kind of tasks is: its options, its score and its shapes, known without loading any data.

No torch here: a study's spec is checked, sized and named by whoever reads it, and only a worker
calls `make`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from metaopt.errors import InvalidTasks
from metaopt.options import Option, Options, complete


class Metric(NamedTuple):
    """A task's score: its name, whether a higher one is better, and what it can be.

    Args:
        possible: The least and the greatest score.
    """

    name: Literal["accuracy", "mse"]
    maximize: bool
    possible: tuple[float, float]


ACCURACY = Metric("accuracy", maximize=True, possible=(0.0, 1.0))
MSE = Metric("mse", maximize=False, possible=(0.0, math.inf))

SPLITS = ("train", "validation", "test")

SHOTS = (
    Option("k_shot", "int", 10, minimum=1, maximum=10_000),
    Option("q_query", "int", 10, minimum=1, maximum=10_000),
)
"""Support and query examples of a task whose examples are drawn without end."""


@dataclass(frozen=True, eq=False)
class TaskKind:
    """One kind of tasks.

    Args:
        name: As `tasks.kind` in specs.
        doc: One sentence about a task.
        options: With `k_shot` and `q_query`, examples per class (per task in regression).
        metric: `ACCURACY` for classification, `MSE` for regression.
        make: (options, device, dtype, path) -> `metaopt.tasks.base.Tasks`; imports torch when
            called.  `path` is a user's own copy of the data, or None.
        input_shape: Shape of one input, from the options.
        outputs: Width of the model's output, from the options: classes, or numbers to predict.
        examples_per_class: How many there are; None if they are drawn without end.
        examples: What they are called, e.g. "drawings of a character".
        check: Raises `InvalidTasks` where options do not go together.
    """

    name: str
    doc: str
    options: tuple[Option, ...]
    metric: Metric
    make: Callable[..., Any]
    input_shape: Callable[[Options], tuple[int, ...]]
    outputs: Callable[[Options], int] = lambda options: 1
    examples_per_class: int | None = None
    examples: str = "examples of a class"
    check: Callable[[Options], None] = lambda options: None

    def __post_init__(self) -> None:
        """Demand the numbers of examples, which every bank and every algorithm asks for."""
        missing = {"k_shot", "q_query"} - {option.name for option in self.options}
        if missing:
            raise InvalidTasks(f"tasks {self.name} need an option {min(missing)}: add SHOTS")

    def classes(self, options: Options) -> int:
        """Classes of a task, by which shots are multiplied; 1 in regression."""
        return self.outputs(options) if self.metric is ACCURACY else 1

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

    def has(self, examples: float) -> bool:
        """Whether a class has as many examples."""
        return self.examples_per_class is None or examples <= self.examples_per_class

    @property
    def stock(self) -> str:
        """All examples of a class, in words."""
        return f"the {self.examples_per_class} {self.examples}"
