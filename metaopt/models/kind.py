"""What a kind of model is: its options, its size and how it runs best, known without building one.

No torch here: `make` imports it when it is called.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from metaopt.errors import InvalidModel
from metaopt.options import Option, Options, complete

PRECISION = Option(
    "precision", "choice", "float32",
    "Of activations and their derivatives; weights, losses and optimizers are always float32.",
    choices=("float32", "bfloat16"),
)  # fmt: skip

INIT = Option(
    "init", "choice", "glorot",
    "Of weights and biases: glorot, lecun (1/fan in), he (2/fan in), torch (as torch.nn.Linear) or "
    "truncated_normal (0.01, MAML's own code).",
    choices=("glorot", "lecun", "he", "torch", "truncated_normal"),
)  # fmt: skip


def adapt_option(default: str = "all") -> Option:
    """Of somebody's module: what inner steps move (`metaopt.models.modules.left_alone`)."""
    doc = "Which parameters inner steps move: all, head, body, or a pattern of names."
    return Option("adapt", "text", default, doc)


class Size(NamedTuple):
    """Numbers of weights, and of activations for each example."""

    weights: float
    activations: float


class CompileGuess(NamedTuple):
    """What compiling a program brings: seconds of a core it takes, and how much faster it then is.

    Faster than eager lanes at their best number.
    """

    seconds: float
    faster: float


# Of the slowest and the least faster ones on one core (benchmarks/results/bench.txt).
SMALL_MODELS = CompileGuess(seconds=22.0, faster=2.5)


@dataclass(frozen=True, eq=False)
class ModelKind:
    """One kind of model.

    Args:
        name: As `model.kind` in specs.
        doc: What it is.
        options: Beside `kind`.  `PRECISION` is for whoever computes in bfloat16 too, `INIT` for
            whoever draws by `metaopt.models.initialization`.
        make: (options, input_shape, outputs) -> `metaopt.models.base.Model`; imports torch when
            called.
        size: (options, input_shape, outputs) -> its size, from shapes alone, roughly; None where
            nobody knows it before one is built.
        settle: (options) -> options, each by itself right, with what one says of the others filled
            in; raises `InvalidModel` where they do not go together.
        check: (options, input_shape): raises `InvalidModel` for tasks that it is not made for.
        batch_statistics: Whether an example's output depends on the others beside it, as with batch
            norm: then it matters whether scores are transductive.
        most_lanes: Lanes that gain from being stacked on one core, from the options; None leaves
            it to the number of tasks.
        inductor: Options of the compiler.
        compile_guess: Used until one of about its size was compiled on the machine.
    """

    name: str
    doc: str
    options: tuple[Option, ...]
    make: Callable[..., Any]
    size: Callable[[Options, tuple[int, ...], int], Size] | None = None
    settle: Callable[[dict[str, Any]], dict[str, Any]] = lambda options: options
    check: Callable[[Options, tuple[int, ...]], None] = lambda options, input_shape: None
    batch_statistics: bool = False
    most_lanes: Callable[[Options], int | None] = lambda options: None
    inductor: Mapping[str, Any] = field(default_factory=dict)
    compile_guess: CompileGuess = SMALL_MODELS

    @property
    def is_proved(self) -> bool:
        """Whether a worker finds out if it can be mapped (`metaopt.models.proof`): anybody's."""
        return self.size is None

    def size_of(self, options: Options, input_shape: tuple[int, ...], outputs: int) -> Size:
        """Its size, or one of nothing where that is not known."""
        return Size(0, 0) if self.size is None else self.size(options, input_shape, outputs)

    def complete(self, options: Options) -> dict[str, Any]:
        """Its name and the options checked, with the default of every other.

        Raises:
            InvalidModel: an unknown option, a value that breaks its rule, or options that do not
                go together.
        """
        values = complete(f"model {self.name}", self.options, options, InvalidModel)
        return {"kind": self.name, **self.settle(values)}
