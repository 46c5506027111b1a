"""What an algorithm is: its meta-parameters, and pure functions over all lanes at once.

    model ──learner──▶ what φ holds, what a task starts from, how it is answered
    keys ──draw──▶ Drawn ──meta_gradient──▶ gradient, loss, inner memory     (training)
                   support set ──inner_step──▶ adapted weights               (evaluation, winner)

A population does the rest, the same for every algorithm: outer step and schedule, the freeze of
lanes that diverge, checkpoints.  An algorithm without `inner_steps` and `test_steps` has no inner
loop: a task is answered from its support set as `Learner.answers` has it.

No torch here: the functions import it when they are called.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from metaopt.errors import InvalidMetaParameter
from metaopt.messages import did_you_mean, shown
from metaopt.metaparams import MetaParam, Value

Values = Mapping[str, Value]
"""All meta-parameters of a trial, or those that its program shares, by name."""

NEEDED = ("meta_batch",)
"""Meta-parameters without which nothing is meta-learned, beside the outer rate."""

TARGETS = ("classes", "numbers")
"""What tasks may ask a model for that answers from examples."""

ACTIONS = "actions"
"""What tasks ask for that are acted in: examples come from the model (`metaopt.tasks.base`)."""

ALL_TARGETS = (*TARGETS, ACTIONS)
"""Of an algorithm that asks its learner for nothing but losses and their gradients."""


class Steps(NamedTuple):
    """Inner steps of a trial in training, and after which it is scored."""

    train: int
    test: int


def steps_of(values: Values) -> Steps:
    """The inner steps of a trial with these values; 0 where an algorithm has none.

    `test_steps` 0 means as many as it trains with.
    """
    train = int(values.get("inner_steps", 0))
    return Steps(train, int(values.get("test_steps", 0)) or train)


class Moments(NamedTuple):
    """Which of Adam's moments a lane carries, of the outer step and of the inner ones."""

    outer: bool = False
    inner: bool = False


class Around(NamedTuple):
    """What an algorithm is put around: a model's weights, and what tasks give and ask for.

    Args:
        weights: Numbers of the model.
        inputs: Numbers of one input.
        width: Classes, or numbers to predict.
    """

    weights: float
    inputs: int
    width: int


class About(NamedTuple):
    """What a reader wants to know of an algorithm (docs/algorithms.md).

    Args:
        rule: Its update rule, in lines.
        source: Where that is from.
        cost: Of a meta-iteration, and of the adaptation to a task.
        when: When to take it, and when not.
    """

    rule: str
    source: str
    cost: str
    when: str


@dataclass(frozen=True, eq=False)
class Algorithm:
    """One algorithm.

    Args:
        name: As `algorithm` of a branch.
        params: Its meta-parameters: `NEEDED`, the outer rate, and whatever else its functions
            read.  Those of `metaopt.metaparams.OUTER`, where it has them, act on the outer step;
            choices are always structural.
        outer_rate: Name of the outer rate: φ ← φ − rate · gradient, or Adam's.  None where nothing
            is meta-learned, so that its gradient is 0: then it needs no `NEEDED` either.
        draw: (tasks, keys, *, k_shot, q_query, options, step_cap) -> `Drawn`: what a
            meta-iteration trains on, for keys (*B, T).  `options` are the structural values.
        meta_gradient: (learner, phi, drawn, *, numbers, options, step_cap, state) ->
            `MetaGradient` for phi (H, P).  `numbers` are the lane numbers (H,) by name, and `age`
            of `horizon` meta-iterations; `state` is the inner Adam's memory, or None.
        moments: From the structural values.
        doc: One sentence: what it learns and how a task is adapted to.
        about: More, for its page.
        learner: (learner, options) -> learner: what is meta-learned, what a task starts from and
            how it is answered, where that is not the model's weights alone
            (`metaopt.algorithms.learner.Learner`).
        inner_step: (learner, theta, support, *, numbers, state, step) -> (theta, state): step
            0, 1, … of an adaptation that is judged, for theta (H, T, …) and numbers (H, 1).  None
            is gradient descent, or Adam where lanes carry its moment
            (`metaopt.algorithms.inner_step`).
        unrolls: Structural parameters and the values of each under which a program grows with its
            inner steps, so that trials of few steps get programs of their own (`step_bucket`); {}
            always does, None never.  Or that from the structural values.
        of_the_gradient: Structural parameters that say how a meta-gradient is computed and nothing
            else: a lane may change them on its way.
        train_shots: Parameter that replaces the tasks' k_shot in training unless it is 0.
        train_ways: Structural parameter that replaces the tasks' number of classes in training
            unless it is 0; `learner` then has that `width` while it trains.
        train_queries: Whether it trains on query examples, too.
        tail_shots: Parameter that says how many it has in training beside its support examples, in
            place of the tasks' q_query.
        needs_support: Whether a task needs support examples to be answered.
        model_outputs: Structural parameter that is the width of the model's output, as of an
            embedding; None is that of the tasks.
        more_inputs: Structural parameter: so many inputs (channels of images) the model has beside
            those of the tasks.
        adds: About how many numbers it has for each task beside the model's weights, from its
            structural values (of choices the largest, where they are not known) and what it is put
            around: memory is told by it before anything is built.
        targets: What its tasks may ask for, of `ALL_TARGETS`.
        passes: How often a support set passes through a network beside the inner steps, each of
            which is a pass: before the first one, or in place of them.  None is once for one
            without an inner loop, else not at all.
        numbered_classes: Whether it trains on which of all classes of meta-training an example is
            of (`metaopt.tasks.base.NumberedClasses`), where tasks have classes.
        meta_learns: Whether it learns how to learn from tasks.  What does not is what meta-learning
            has to be better than: `verdict.compare` may name it, and then it is trained beside the
            finalists (docs/verdict.md).
        inductor: Options of the compiler that its programs need, beside those of the model.

    Raises:
        InvalidMetaParameter: a parameter is missing, or a choice differs between lanes.
    """

    name: str
    params: tuple[MetaParam, ...]
    outer_rate: str | None
    draw: Callable[..., Any]
    meta_gradient: Callable[..., Any]
    moments: Callable[[Values], Moments] = lambda options: Moments()
    doc: str = ""
    about: About | None = None
    learner: Callable[..., Any] = lambda learner, options: learner
    inner_step: Callable[..., Any] | None = None
    unrolls: Mapping[str, tuple[Value, ...]] | Callable[[Values], bool] | None = None
    of_the_gradient: tuple[str, ...] = ()
    train_shots: str | None = None
    train_ways: str | None = None
    train_queries: bool = True
    tail_shots: str | None = None
    needs_support: bool = True
    model_outputs: str | None = None
    more_inputs: str | None = None
    adds: Callable[[Values, Around], float] = lambda options, around: 0.0
    targets: tuple[str, ...] = TARGETS
    passes: int | None = None
    numbered_classes: bool = False
    meta_learns: bool = True
    inductor: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the parameters."""
        by_name = self.parameters()
        for name in (*NEEDED, self.outer_rate) if self.outer_rate is not None else ():
            if name not in by_name:
                raise InvalidMetaParameter(f"algorithm {self.name} needs a parameter {name}")
        for param in self.params:
            if param.lane and param.kind == "choice":
                raise InvalidMetaParameter(
                    f"{param.name} of algorithm {self.name} is a choice: give it lane=False"
                )
        structural = {param.name for param in self.params if not param.lane}
        unrolls = () if self.unrolls is None or callable(self.unrolls) else self.unrolls
        sizes = (self.model_outputs, self.more_inputs, self.train_ways)
        named = [name for name in sizes if name is not None]
        for name in (*unrolls, *self.of_the_gradient, *named):
            if name not in structural:
                raise InvalidMetaParameter(
                    f"algorithm {self.name} has no structural parameter {shown(name)}"
                    f"{did_you_mean(name, structural)}"
                )
        if not self.targets or not set(self.targets) <= set(ALL_TARGETS):
            raise InvalidMetaParameter(
                f"targets of algorithm {self.name} must be of {', '.join(ALL_TARGETS)}, got "
                f"{shown(self.targets)}"
            )

    def parameters(self) -> dict[str, MetaParam]:
        """The parameters by name."""
        return {param.name: param for param in self.params}

    def complete(self, values: Values) -> dict[str, Value]:
        """The values checked, with the default of every parameter they do not mention.

        Raises:
            InvalidMetaParameter: unknown name or bad value.
        """
        own = self.parameters()
        if not isinstance(values, Mapping):
            raise InvalidMetaParameter(
                f"parameters of {self.name} must be a dict by name, got {shown(values)}"
            )
        for name in values:
            if name not in own:
                meant = did_you_mean(name, own) or ";"
                raise InvalidMetaParameter(
                    f"{self.name} has no parameter {shown(name)}{meant} it has {', '.join(own)}"
                )
        return {name: p.check(values.get(name, p.default)) for name, p in own.items()}

    def structure(self, values: Values) -> dict[str, Value]:
        """Those of a trial's values that all lanes of its program share."""
        return {param.name: values[param.name] for param in self.params if not param.lane}

    @property
    def has_inner_loop(self) -> bool:
        """Whether tasks are adapted to step by step."""
        return bool({"inner_steps", "test_steps"} & set(self.parameters()))

    def support_passes(self, values: Values) -> int:
        """How often a support set passes through a network until its queries can be answered."""
        beside = self.passes
        if beside is None:
            beside = 0 if self.has_inner_loop else 1
        return beside + steps_of(values).test

    def does(self, target: str) -> bool:
        """Whether it can do tasks that ask for that: one of `ALL_TARGETS`."""
        return target in self.targets

    def model_shapes(
        self, options: Values, input_shape: tuple[int, ...], outputs: int
    ) -> tuple[tuple[int, ...], int]:
        """The input shape and the width of the output of the model that it trains.

        Args:
            options: The structural values.
            input_shape, outputs: Of the tasks.
        """
        width = outputs if self.model_outputs is None else int(options[self.model_outputs])
        more = 0 if self.more_inputs is None else int(options[self.more_inputs])
        return (input_shape[0] + more, *input_shape[1:]), width

    def unrolled(self, options: Values) -> bool:
        """Whether a program with these structural values grows with its inner steps."""
        if self.unrolls is None:
            return False
        if callable(self.unrolls):
            return self.unrolls(options)
        return all(options[name] in values for name, values in self.unrolls.items())
