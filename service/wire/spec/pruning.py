"""Pruning in a spec: which trials stop early, and what is cheaper at the rungs below the budget."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, GetJsonSchemaHandler, field_validator
from pydantic_core import CoreSchema

from metaopt.search.pruning.registry import PRUNING_RULES
from metaopt.search.pruning.rule import Options, PruningRule
from service.wire.base import Wire
from service.wire.spec.objectives import PruningMetric
from service.wire.spec.space import Branch, ChoiceList

Keep = Literal["best", "last"]
"""Which of a trial's models counts."""


class _RuleNames:
    """In a JSON schema: the rules that there are."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), "enum": list(PRUNING_RULES.names())}


def _rule_name(name: str) -> str:
    return PRUNING_RULES.get(name).name


RuleName = Annotated[str, AfterValidator(_rule_name), _RuleNames()]


class Pruning(Wire):
    """Which trials stop early, and at which meta-iterations (rungs) they are judged.

    Without `rungs`, trials are judged at budget / reduction³, / reduction² and / reduction, but not
    before meta-iteration 10.
    `percentile` is the share, in %, that goes on from a rung under the pruner of that name.
    `successive_halving` decides for good when a trial arrives; `asha` lets it wait with its
    checkpoint and go on later if its rank improves.  `race` stops a trial that is worse than the
    best at its rung by more than `delta` (in the unit of the score), once `startup_trials` have
    come: a paired test on the bank's tasks that is to stop the truly best trial of a branch with a
    chance of at most `alpha` (docs/search.md says for which noise it was simulated).

    `tasks` is how many tasks of the bank, its first ones, trials are scored on at each rung below
    the budget; at the budget, and without it everywhere, all `evaluation.tasks`.  Trials with
    `order: second` take first-order meta-gradients up to the rung `first_order_until`, those of
    the verdict too.
    Trials are judged by `metric`: the score, or a cost, of which less is better.
    """

    kind: RuleName = "asha"
    rungs: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=100)] | None = None
    reduction: Annotated[int, Field(ge=2, le=16)] = 3
    percentile: Annotated[float, Field(gt=0, lt=100)] = 25.0
    startup_trials: Annotated[int, Field(ge=0, le=10_000)] = 4
    delta: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.05
    tasks: Annotated[list[Annotated[int, Field(ge=2)]], Field(max_length=100)] | None = None
    first_order_until: Annotated[int, Field(ge=1)] | None = None
    metric: PruningMetric = "score"

    @field_validator("rungs")
    @classmethod
    def _rising_rungs(cls, rungs: list[int] | None) -> list[int] | None:
        if rungs is not None and any(b <= a for a, b in zip(rungs, rungs[1:], strict=False)):
            raise ValueError(f"rungs must rise, got {rungs}")
        return rungs

    def rule(self) -> PruningRule:
        """The rule that decides."""
        return PRUNING_RULES.get(self.kind)

    def options(self) -> Options:
        """What the rule may read of this."""
        return Options(**{option.name: getattr(self, option.name) for option in fields(Options)})

    def rungs_below(self, meta_iterations: int) -> list[int]:
        """The rungs below a budget of so many meta-iterations."""
        if self.rungs is not None:
            return list(self.rungs)
        return self.rule().default_rungs(meta_iterations, self.reduction)


def may_be_second_order(branch: Branch) -> bool:
    """Whether trials of `branch` may have second-order meta-gradients."""
    searched = branch.distributions().get("order")
    if isinstance(searched, ChoiceList):
        return "second" in searched.choices
    return branch.fixed().get("order") == "second"


def check_fidelity(
    pruning: Pruning, below: Sequence[int], *, tasks: int, branches: Sequence[Branch]
) -> None:
    """Check `pruning.tasks` and `pruning.first_order_until`.

    Args:
        pruning: Of the spec.
        below: The rungs below the budget.
        tasks: `evaluation.tasks`.
        branches: Of the spec.

    Raises:
        ValueError: they do not fit the rest; the message says what can be done.
    """
    if pruning.tasks is not None:
        _check_tasks(pruning.tasks, below, tasks)
    if pruning.first_order_until is not None:
        _check_order(pruning.first_order_until, below, branches)


def check_keep(keep: Keep, below: Sequence[int]) -> None:
    """Check `evaluation.keep`.

    Args:
        keep: Of the spec.
        below: The rungs below the budget.

    Raises:
        ValueError: there is nothing to choose among.
    """
    if keep == "best" and not below:
        raise ValueError(
            "evaluation.keep: best chooses among rungs, and there are none below the budget: give "
            "pruning.rungs (with pruning.kind: none they stop no trial), or keep: last"
        )


def _check_tasks(at_rungs: Sequence[int], below: Sequence[int], most: int) -> None:
    if not below:
        raise ValueError(
            f"pruning.tasks = {list(at_rungs)} needs rungs below the budget and there are none: "
            "give pruning.rungs, or leave pruning.tasks out"
        )
    if len(at_rungs) != len(below):
        raise ValueError(
            f"pruning.tasks must have one number for each rung below the budget, {list(below)}, "
            f"got {list(at_rungs)}; at the budget it is always evaluation.tasks"
        )
    if any(b < a for a, b in zip(at_rungs, at_rungs[1:], strict=False)):
        raise ValueError(f"pruning.tasks must not fall from rung to rung, got {list(at_rungs)}")
    if at_rungs[-1] > most:
        raise ValueError(
            f"pruning.tasks must be at most evaluation.tasks = {most}, the tasks of the bank, "
            f"got {at_rungs[-1]}"
        )


def _check_order(until: int, below: Sequence[int], branches: Sequence[Branch]) -> None:
    if until not in below:
        listed = ", ".join(map(str, below)) or "none: give pruning.rungs"
        raise ValueError(
            f"pruning.first_order_until must be one of the rungs below the budget ({listed}), "
            f"got {until}"
        )
    if not any(may_be_second_order(branch) for branch in branches):
        names = ", ".join(branch.name for branch in branches)
        raise ValueError(
            f"pruning.first_order_until = {until} needs a branch whose trials may have "
            f"order: second, {names} has none: leave it out, or let maml have that order"
        )
