"""What an algorithm is: its meta-parameters, and pure functions over all lanes at once.

    keys ──draw──▶ Drawn ──meta_gradient──▶ gradient, loss, inner memory     (training)
                   support set ──inner_step──▶ adapted weights               (evaluation, winner)

A population does the rest, the same for every algorithm: outer step and schedule, the freeze of
lanes that diverge, checkpoints.  No torch here: the functions import it when they are called.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from metaopt.errors import InvalidMetaParameter
from metaopt.messages import did_you_mean, shown
from metaopt.metaparams import MetaParam, Value

Values = Mapping[str, Value]
"""All meta-parameters of a trial, or those that its program shares, by name."""

NEEDED = ("inner_lr", "inner_steps", "test_steps", "meta_batch")
"""Meta-parameters without which no population can train or score a trial."""


class Moments(NamedTuple):
    """Which of Adam's moments a lane carries, of the outer step and of the inner ones."""

    outer: bool = False
    inner: bool = False


@dataclass(frozen=True, eq=False)
class Algorithm:
    """One algorithm.

    Args:
        name: As `algorithm` of a branch.
        params: Its meta-parameters: `NEEDED`, the outer rate, and whatever else its functions
            read.  `schedule` and `gradient_clamp`, where it has them, act on the outer step;
            choices are always structural.
        outer_rate: Name of the outer rate: φ ← φ − rate · gradient, or Adam's.
        draw: (tasks, keys, *, k_shot, q_query, options, step_cap) -> `Drawn`: what a
            meta-iteration trains on, for keys (*B, T).  `options` are the structural values.
        meta_gradient: (learner, phi, drawn, *, numbers, options, step_cap, state) ->
            `MetaGradient` for phi (H, P).  `numbers` are the lane numbers (H,) by name; `state` is
            the inner Adam's memory, or None.
        moments: From the structural values.
        inner_step: (learner, theta, support, *, numbers, state) -> (theta, state): one step of an
            adaptation that is judged, for theta (H, T, …) and numbers (H, 1).  None is gradient
            descent, or Adam where lanes carry its moment (`metaopt.algorithms.inner_step`).
        unrolls: Structural parameters and the values of each under which a program grows with its
            inner steps, so that trials of few steps get programs of their own (`step_bucket`); {}
            always does, None never.  Or that from the structural values.
        of_the_gradient: Structural parameters that say how a meta-gradient is computed and nothing
            else: a lane may change them on its way.
        train_shots: Parameter that replaces the tasks' k_shot in training unless it is 0.

    Raises:
        InvalidMetaParameter: a parameter is missing, or a choice differs between lanes.
    """

    name: str
    params: tuple[MetaParam, ...]
    outer_rate: str
    draw: Callable[..., Any]
    meta_gradient: Callable[..., Any]
    moments: Callable[[Values], Moments] = lambda options: Moments()
    inner_step: Callable[..., Any] | None = None
    unrolls: Mapping[str, tuple[Value, ...]] | Callable[[Values], bool] | None = None
    of_the_gradient: tuple[str, ...] = ()
    train_shots: str | None = None

    def __post_init__(self) -> None:
        """Check the parameters."""
        by_name = self.parameters()
        for name in (*NEEDED, self.outer_rate):
            if name not in by_name:
                raise InvalidMetaParameter(f"algorithm {self.name} needs a parameter {name}")
        for param in self.params:
            if param.lane and param.kind == "choice":
                raise InvalidMetaParameter(
                    f"{param.name} of algorithm {self.name} is a choice: give it lane=False"
                )
        structural = {param.name for param in self.params if not param.lane}
        unrolls = () if self.unrolls is None or callable(self.unrolls) else self.unrolls
        for name in (*unrolls, *self.of_the_gradient):
            if name not in structural:
                raise InvalidMetaParameter(
                    f"algorithm {self.name} has no structural parameter {shown(name)}"
                    f"{did_you_mean(name, structural)}"
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

    def unrolled(self, options: Values) -> bool:
        """Whether a program with these structural values grows with its inner steps."""
        if self.unrolls is None:
            return False
        if callable(self.unrolls):
            return self.unrolls(options)
        return all(options[name] in values for name, values in self.unrolls.items())
