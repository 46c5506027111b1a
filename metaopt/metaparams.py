"""Meta-hyperparameters: what each algorithm can be given, with unit, range and source.

`ALGORITHMS[name]` lists the parameters of an algorithm.  A parameter is either a *lane* number
(it may differ between the lanes of one program: rates, step counts) or *structural* (all lanes
of a program share it: order, meta batch, optimizer); trials that differ in a structural
parameter run in different programs.

Losses are means over all examples, so rates of papers that sum over classes must be scaled
before they are compared (docs/meta-learning.md).
"""

import math
from dataclasses import dataclass
from typing import Literal

from metaopt.errors import InvalidMetaParameter

Value = float | int | str


@dataclass(frozen=True)
class MetaParam:
    """One meta-hyperparameter.

    Args:
        name: As in specs, tables and JSON.
        kind: "float", "int" or "choice".
        default: Value of a trial whose spec does not mention the parameter.
        low, high: Default search range, inclusive (numbers).
        log: Whether the default search is uniform in the logarithm.
        minimum, maximum: Hard bounds; outside them the parameter has no meaning.
        choices: Allowed values (kind "choice").
        lane: May differ between lanes of one program.
        unit: Unit of the number, "1" if it has none.
        doc: One sentence.
        source: Where default and range come from.
    """

    name: str
    kind: Literal["float", "int", "choice"]
    default: Value
    unit: str
    doc: str
    source: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    minimum: float = 0.0
    maximum: float = math.inf
    choices: tuple[str, ...] = ()
    lane: bool = True

    def check(self, value: object) -> Value:
        """Return `value` as this parameter's type.

        Raises:
            InvalidMetaParameter: wrong type, not finite, outside the bounds, not a choice.
        """
        if self.kind == "choice":
            if value not in self.choices:
                raise InvalidMetaParameter(
                    f"{self.name} must be one of {', '.join(self.choices)}, got {value!r}"
                )
            return str(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidMetaParameter(f"{self.name} must be a number, got {value!r}")
        if not math.isfinite(value):
            raise InvalidMetaParameter(f"{self.name} must be finite, got {value!r}")
        if self.kind == "int" and int(value) != value:
            raise InvalidMetaParameter(f"{self.name} must be a whole number, got {value!r}")
        if not self.minimum <= value <= self.maximum:
            raise InvalidMetaParameter(
                f"{self.name} must be in [{self.minimum:g}, {self.maximum:g}], got {value!r}"
            )
        return int(value) if self.kind == "int" else float(value)


_INNER_LR = MetaParam(
    "inner_lr", "float", 0.01, "1", "Step size α of the inner loop.",
    "MAML 0.01 (sinusoid); on mean cross-entropy published values span 1e-3 to 2",
    low=1e-3, high=1.0, log=True, minimum=1e-12, maximum=1e3,
)  # fmt: skip
_TEST_STEPS = MetaParam(
    "test_steps", "int", 0, "steps",
    "Inner steps after which a trial is scored; 0 means as many as it trains with.",
    "MAML trains with 1 step and reports 1 to 10; Reptile trains with 5 and tests with 50",
    low=1, high=10, minimum=0, maximum=200,
)  # fmt: skip

MAML = (
    _INNER_LR,
    MetaParam(
        "inner_steps", "int", 1, "steps", "Inner gradient steps K in training.",
        "MAML 1 to 5, MAML++ 5", low=1, high=5, minimum=1, maximum=50,
    ),
    MetaParam(
        "outer_lr", "float", 1e-3, "1", "Step size β of the outer optimizer.",
        "MAML Adam 1e-3; learn2learn 3e-3", low=1e-4, high=1e-2, log=True,
        minimum=1e-12, maximum=1e3,
    ),
    _TEST_STEPS,
    MetaParam(
        "order", "choice", "second", "",
        "Whether the meta-gradient differentiates the inner steps.",
        "MAML §5.2: first order drops the second derivatives", choices=("second", "first"),
        lane=False,
    ),
    MetaParam(
        "inner_graph", "choice", "keep", "",
        "Second order: keep each inner step's graph, or recompute it (less memory, more time).",
        "Chen et al. 2016, arXiv:1604.06174; price in docs/performance.md",
        choices=("keep", "recompute"), lane=False,
    ),
    MetaParam(
        "meta_batch", "int", 25, "tasks", "Tasks per meta-iteration.",
        "MAML 25 (sinusoid), 32 (Omniglot 5-way), 4 (mini-ImageNet)",
        low=4, high=32, log=True, minimum=1, maximum=4096, lane=False,
    ),
    MetaParam(
        "outer_optimizer", "choice", "adam", "", "Optimizer of the outer step.",
        "MAML: Adam", choices=("adam", "sgd"), lane=False,
    ),
    MetaParam(
        "schedule", "choice", "constant", "", "Course of the outer rate over the trial.",
        "MAML constant; MAML++ cosine", choices=("constant", "cosine", "linear"), lane=False,
    ),
    MetaParam(
        "gradient_clamp", "float", 0.0, "1",
        "Bound on each entry of the averaged meta-gradient; 0 is off.",
        "MAML clamps at 10 for mini-ImageNet only", low=0.0, high=10.0, lane=False,
    ),
)  # fmt: skip

REPTILE = (
    MetaParam(
        "inner_lr", "float", 0.02, "1", "Step size α of the inner loop.",
        "Reptile sinusoid demo: SGD 0.02; Omniglot: Adam 1e-3", low=1e-3, high=0.3, log=True,
        minimum=1e-12, maximum=1e3,
    ),
    MetaParam(
        "inner_steps", "int", 5, "steps", "Inner optimizer steps k in training.",
        "Reptile 5 to 10", low=3, high=12, minimum=1, maximum=200,
    ),
    MetaParam(
        "epsilon", "float", 0.1, "1", "Outer step ε: φ ← φ + ε (mean φ̃ − φ).",
        "Reptile 1.0 (Omniglot), 0.1 (sinusoid demo)", low=0.03, high=1.0, log=True,
        minimum=1e-12, maximum=10.0,
    ),
    _TEST_STEPS,
    MetaParam(
        "meta_batch", "int", 5, "tasks", "Tasks per meta-iteration; 1 is the serial version.",
        "Reptile 5 (Omniglot), 1 (sinusoid demo)", low=1, high=16, log=True, minimum=1,
        maximum=4096, lane=False,
    ),
    MetaParam(
        "inner_optimizer", "choice", "sgd", "", "Inner optimizer; adam has β1 = 0.",
        "Reptile: Adam with β1 = 0, SGD in the sinusoid demo", choices=("sgd", "adam"), lane=False,
    ),
    MetaParam(
        "inner_batch", "int", 10, "examples",
        "Examples per inner mini-batch, cycled without replacement; 0 takes all.",
        "Reptile 10", low=5, high=25, minimum=0, maximum=4096, lane=False,
    ),
    MetaParam(
        "train_shots", "int", 0, "examples",
        "Training examples per class (per task in regression); 0 means the tasks' k_shot.",
        "Reptile 10 where the test has 1", low=1, high=15, minimum=0, maximum=4096, lane=False,
    ),
    MetaParam(
        "schedule", "choice", "linear", "", "Course of ε over the trial.",
        "Reptile: linear to zero", choices=("linear", "constant", "cosine"), lane=False,
    ),
)  # fmt: skip

ALGORITHMS: dict[str, tuple[MetaParam, ...]] = {"maml": MAML, "reptile": REPTILE}


def parameters(algorithm: str) -> dict[str, MetaParam]:
    """Return the parameters of `algorithm` by name.

    Raises:
        InvalidMetaParameter: no such algorithm.
    """
    if algorithm not in ALGORITHMS:
        raise InvalidMetaParameter(
            f"algorithm must be one of {', '.join(ALGORITHMS)}, got {algorithm!r}"
        )
    return {param.name: param for param in ALGORITHMS[algorithm]}


def complete(algorithm: str, values: dict[str, Value]) -> dict[str, Value]:
    """Return `values` checked, with the default of every parameter they do not mention.

    Raises:
        InvalidMetaParameter: unknown name or bad value.

    Example:
        >>> complete("maml", {"inner_lr": 0.1})["outer_lr"]
        0.001
    """
    known = parameters(algorithm)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise InvalidMetaParameter(
            f"{algorithm} has no parameter {unknown[0]!r}; it has {', '.join(known)}"
        )
    return {name: param.check(values.get(name, param.default)) for name, param in known.items()}
