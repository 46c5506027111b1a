"""The study spec: what a user submits, as YAML or JSON, version 1.

Unknown fields, NaN, infinities and absurd sizes are refused; every default is written out by
`StudySpec.model_dump`, and `metaopt show` prints it.  Names and bounds of meta-hyperparameters
come from `metaopt.metaparams`.
"""

import math
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator, model_validator

from metaopt.errors import InvalidMetaParameter
from metaopt.metaparams import MetaParam, Value, complete, parameters
from service.wire.size import MOST_LANE_BYTES, bank_bytes, lane_bytes


class Wire(BaseModel):
    """Base of every message: strict about names and numbers, never mutated."""

    # Strict: true is no number, "5" is no number, 2.5 is no count.
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


Interval = Annotated[tuple[float, float], Strict(False)]  # a list is as good
Count = Annotated[int, Field(ge=1, le=10_000)]


def _rising(interval: Interval) -> Interval:
    if not interval[0] < interval[1]:
        raise ValueError(f"low must be below high, got {list(interval)}")
    if max(map(abs, interval)) > 1e6:
        raise ValueError(f"bounds must be within ±1e6, got {list(interval)}")
    return interval


class SinusoidTasks(Wire):
    """y = A·sin(x − φ); one task is one (A, φ).  Finn et al. (2017), section 5.1."""

    kind: Literal["sinusoid"] = "sinusoid"
    k_shot: Count = 10
    q_query: Count = 10
    amplitude: Interval = (0.1, 5.0)
    phase: Interval = (0.0, math.pi)
    x: Interval = (-5.0, 5.0)

    _check = field_validator("amplitude", "phase", "x")(_rising)


class LinearTasks(Wire):
    """y = w·x + b + noise; one task is one (w, b), standard normal."""

    kind: Literal["linear"] = "linear"
    k_shot: Count = 10
    q_query: Count = 10
    features: Annotated[int, Field(ge=1, le=4096)] = 1
    noise: Annotated[float, Field(ge=0, le=1e3)] = 0.0


class OmniglotTasks(Wire):
    """N-way classification of Omniglot characters, 28×28, ink high."""

    kind: Literal["omniglot"] = "omniglot"
    n_way: Annotated[int, Field(ge=2, le=100)] = 5
    k_shot: Annotated[int, Field(ge=1, le=19)] = 1
    q_query: Annotated[int, Field(ge=1, le=19)] = 1
    split: Annotated[str, Field(pattern=r"^(vinyals|random:\d{1,9})$")] = "vinyals"
    rotations: Literal["none", "task", "classes"] = "none"

    @model_validator(mode="after")
    def _enough_drawings(self) -> Self:
        if self.k_shot + self.q_query > 20:
            raise ValueError(
                "k_shot + q_query must be at most the 20 drawings of a character, "
                f"got {self.k_shot} + {self.q_query}"
            )
        return self


Tasks = Annotated[SinusoidTasks | LinearTasks | OmniglotTasks, Field(discriminator="kind")]


Precision = Literal["float32", "bfloat16"]
"""Of activations and their derivatives; weights, losses and optimizers are always float32."""


class MlpModel(Wire):
    """Fully connected layers with an activation between them.

    `init`: Glorot-uniform, or truncated normal 0.01 (MAML's own code); biases at zero.
    """

    kind: Literal["mlp"] = "mlp"
    widths: Annotated[
        list[Annotated[int, Field(ge=1, le=4096)]], Field(min_length=1, max_length=8)
    ] = [40, 40]
    activation: Literal["relu", "tanh"] = "relu"
    init: Literal["glorot", "truncated_normal"] = "glorot"
    precision: Precision = "float32"


class LinearModel(Wire):
    """One affine layer."""

    kind: Literal["linear"] = "linear"


class Conv4Model(Wire):
    """Four 3×3 convolutions, each with batch norm (batch statistics) and ReLU; affine layer."""

    kind: Literal["conv4"] = "conv4"
    filters: Annotated[int, Field(ge=1, le=512)] = 64
    pooling: Literal["stride", "max"] = "stride"
    adapt_norm: bool = True
    precision: Precision = "float32"


Model = Annotated[MlpModel | LinearModel | Conv4Model, Field(discriminator="kind")]


class Range(Wire):
    """A number searched in [low, high], uniformly, or uniformly in its logarithm."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got {self.low:g} and {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be > 0 where log is true, got {self.low:g}")
        return self


class Choices(Wire):
    """A value searched among those listed."""

    choices: Annotated[list[float | int | str], Field(min_length=2, max_length=256)]


SpaceEntry = float | int | str | Range | Choices


class Branch(Wire):
    """One algorithm and its space.

    An entry of `space` is a value (fixed), {low, high, log}, {choices}, or "default" for the
    parameter's documented range; a parameter that is not mentioned is fixed at its default.
    """

    algorithm: Literal["maml", "reptile"]
    space: dict[Annotated[str, Field(max_length=64)], SpaceEntry] = {}

    @model_validator(mode="after")
    def _within_the_rules(self) -> Self:
        known = parameters(self.algorithm)
        for name, entry in self.space.items():
            if name not in known:
                raise ValueError(
                    f"{self.algorithm} has no parameter {name!r}; it has {', '.join(known)}"
                )
            _check_entry(known[name], entry)
        return self

    def distributions(self) -> dict[str, Range | Choices]:
        """Return what is searched, by parameter name."""
        known = parameters(self.algorithm)
        named = {
            name: _default_range(known[name]) if entry == "default" else entry
            for name, entry in self.space.items()
        }
        return {name: e for name, e in named.items() if isinstance(e, Range | Choices)}

    def fixed(self) -> dict[str, Value]:
        """Return every parameter that is not searched, with its value."""
        given = {
            name: entry
            for name, entry in self.space.items()
            if not isinstance(entry, Range | Choices) and entry != "default"
        }
        searched = self.distributions()
        return {k: v for k, v in complete(self.algorithm, given).items() if k not in searched}


def _check_entry(param: MetaParam, entry: SpaceEntry) -> None:
    if entry == "default":
        return
    if isinstance(entry, Range):
        if param.kind == "choice":
            raise ValueError(f"{param.name} has no range: give one of {', '.join(param.choices)}")
        values: list[float | int | str] = [entry.low, entry.high]
    elif isinstance(entry, Choices):
        values = entry.choices
        if len(set(values)) < len(values):
            raise ValueError(f"{param.name} lists a choice twice: {values}")
    else:
        values = [entry]
    for value in values:
        try:
            param.check(value)
        except InvalidMetaParameter as error:
            raise ValueError(str(error)) from None


def _largest(entry: SpaceEntry | None) -> float | None:
    if isinstance(entry, Range):
        return entry.high
    values = entry.choices if isinstance(entry, Choices) else [entry]
    return max((v for v in values if isinstance(v, int | float)), default=None)


def _default_range(param: MetaParam) -> Range | Choices:
    if param.kind == "choice":
        return Choices(choices=list(param.choices))
    return Range(low=param.low, high=param.high, log=param.log)


class Search(Wire):
    """Which sampler asks; one instance per branch, seeded from study seed, branch and ask index."""

    sampler: Literal["random", "tpe"] = "tpe"
    startup_trials: Annotated[int, Field(ge=0, le=10_000)] = 10


class Pruning(Wire):
    """Which trials stop early, and at which meta-iterations (rungs) they are judged.

    Without `rungs`, trials are judged at budget / reduction² and budget / reduction.
    """

    kind: Literal["none", "median", "successive_halving"] = "successive_halving"
    rungs: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=100)] | None = None
    reduction: Annotated[int, Field(ge=2, le=16)] = 3
    startup_trials: Annotated[int, Field(ge=0, le=10_000)] = 4

    @field_validator("rungs")
    @classmethod
    def _rising_rungs(cls, rungs: list[int] | None) -> list[int] | None:
        if rungs is not None and any(b <= a for a, b in zip(rungs, rungs[1:], strict=False)):
            raise ValueError(f"rungs must rise, got {rungs}")
        return rungs


class Budget(Wire):
    """How much a study may spend: trials in all, meta-iterations for each."""

    trials: Count = 24
    meta_iterations: Annotated[int, Field(ge=1, le=10_000_000)] = 1000


class Evaluation(Wire):
    """How a trial is scored at a rung: adaptation on a bank of meta-validation tasks.

    `k_shot` and `q_query` default to those of `tasks`.  `transductive` lets batch norm use the
    statistics of the query examples together; otherwise those of the support set.
    """

    tasks: Annotated[int, Field(ge=2, le=10_000)] = 100
    k_shot: Count | None = None
    q_query: Count | None = None
    curve_steps: Annotated[int, Field(ge=0, le=200)] = 10
    statistic: Literal["mean", "median", "trimmed_mean"] = "mean"
    transductive: bool = True


class Verdict(Wire):
    """How the best trials are judged: trained afresh, scored on sealed meta-test tasks."""

    finalists: Annotated[int, Field(ge=1, le=20)] = 3
    seeds: Annotated[int, Field(ge=1, le=20)] = 2
    tasks: Annotated[int, Field(ge=2, le=10_000)] = 400


class StudySpec(Wire):
    """A study: tasks, model, branches, search, pruning, budget, evaluation and verdict."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 0
    tasks: Tasks
    model: Model
    branches: Annotated[list[Branch], Field(min_length=1, max_length=8)]
    search: Search = Search()
    pruning: Pruning = Pruning()
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    verdict: Verdict = Verdict()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [branch.algorithm for branch in self.branches]
        if len(set(names)) < len(names):
            raise ValueError(f"each algorithm may have one branch, got {', '.join(names)}")
        if (self.model.kind == "conv4") != (self.tasks.kind == "omniglot"):
            if self.model.kind == "conv4":
                raise ValueError(f"model conv4 needs images, tasks {self.tasks.kind} have none")
        rungs = self.pruning.rungs or []
        if rungs and rungs[-1] >= self.budget.meta_iterations:
            raise ValueError(
                f"the last rung must be below budget.meta_iterations = "
                f"{self.budget.meta_iterations}, got {rungs[-1]}"
            )
        if self.tasks.kind == "omniglot":
            self._check_drawings(self.tasks)
        self._check_size()
        return self

    def _check_size(self) -> None:
        k_shot, q_query = self.evaluation_shots()
        needed = bank_bytes(
            self.tasks,
            self.model,
            bank_tasks=max(self.evaluation.tasks, self.verdict.tasks),
            k_shot=k_shot,
            q_query=q_query,
        )
        for branch in self.branches:
            given = {**branch.fixed(), **branch.distributions()}
            most = {name: _largest(entry) or 0 for name, entry in given.items()}
            needed = max(
                needed,
                lane_bytes(
                    self.tasks,
                    self.model,
                    meta_batch=most["meta_batch"],
                    inner_steps=most["inner_steps"],
                    shots=max(most.get("train_shots", 0), self.tasks.k_shot),
                ),
            )
        if needed > MOST_LANE_BYTES:
            raise ValueError(
                f"one trial would need about {needed / 2**30:.0f} GiB, the most is "
                f"{MOST_LANE_BYTES / 2**30:.0f}: make the model, meta_batch, inner_steps or the "
                "numbers of examples smaller"
            )

    def _check_drawings(self, tasks: OmniglotTasks) -> None:
        k_shot, q_query = self.evaluation_shots()
        if k_shot + q_query > 20:
            raise ValueError(
                "evaluation.k_shot + evaluation.q_query must be at most the 20 drawings of a "
                f"character, got {k_shot} + {q_query}"
            )
        for branch in self.branches:
            most = _largest(branch.space.get("train_shots"))
            if most is not None and most > 20:
                raise ValueError(
                    "train_shots must be at most the 20 drawings of a character, "
                    f"got {most:g} (branch {branch.algorithm})"
                )

    def evaluation_shots(self) -> tuple[int, int]:
        """Return (k_shot, q_query) of the task bank."""
        return (
            self.evaluation.k_shot or self.tasks.k_shot,
            self.evaluation.q_query or self.tasks.q_query,
        )

    def metric(self) -> Literal["accuracy", "mse"]:
        """Return the name of the score."""
        return "accuracy" if self.tasks.kind == "omniglot" else "mse"

    def maximize(self) -> bool:
        """Return whether a higher score is better."""
        return self.metric() == "accuracy"

    def rungs(self) -> list[int]:
        """Return the meta-iterations at which a trial is judged; the last is the budget."""
        full = self.budget.meta_iterations
        if self.pruning.kind == "none" and self.pruning.rungs is None:
            return [full]
        rungs = self.pruning.rungs
        if rungs is None:
            rungs = sorted({full // self.pruning.reduction**k for k in (2, 1)} - {0, full})
        return [*rungs, full]
