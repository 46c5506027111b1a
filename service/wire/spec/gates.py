"""Gates: what the best finalist of a study must be able to do, and beside which baseline.

The rules are records, one a file (`metaopt.gates.rules`); each is answered pass, fail or undecided
(`service.judgement.gates`).
"""

import re
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from metaopt.gates.registry import listed_forms, parse_rule
from metaopt.gates.rule import Rule
from service.wire.base import BranchAlgorithm, Wire
from service.wire.names import BASELINE_NAME
from service.wire.parsing.plain_data import show
from service.wire.spec.model import Model
from service.wire.spec.space import MOST_PARAMETERS

_VERSION = "@[1-9][0-9]{0,8}"
_LABEL_SCHEMA = {"pattern": f"{BASELINE_NAME.pattern[:-1]}({_VERSION})?$"}


class BaselineLabel(NamedTuple):
    """Which baseline is meant: a name and a version, None for its present one."""

    name: str
    version: int | None


def parse_label(text: str) -> BaselineLabel:
    """Read `main` or `main@3`.

    Raises:
        ValueError: It is neither.
    """
    name, at, version = text.partition("@")
    BASELINE_NAME.check(name)
    if at and re.fullmatch(_VERSION, f"@{version}") is None:
        raise ValueError(f"must be a name, or a name and a version as main@3, got {show(text)}")
    return BaselineLabel(name, int(version) if version else None)


def _is_label(text: str) -> str:
    parse_label(text)
    return text


def _is_rule(text: str) -> str:
    parse_rule(text)
    return text


class Incumbent(Wire):
    """The configuration of a baseline as a study trains it again; the server fills it in.

    Args:
        name, version: Of the baseline.
        branch: By name, in the study that it comes from.
        algorithm: Of that branch.
        params: All its meta-hyperparameters.
        model: What it trains.
        meta_iterations: For how long.
        first_order_until: As `pruning.first_order_until` of its study.
        selected_at: The meta-iterations among whose models the best is kept, the last of them
            `meta_iterations`; empty if the last model counts.
    """

    name: Annotated[str, Field(max_length=64)]
    version: Annotated[int, Field(ge=1)]
    branch: Annotated[str, Field(max_length=32)]
    algorithm: BranchAlgorithm
    params: Annotated[
        dict[Annotated[str, Field(max_length=64)], float | int | str],
        Field(max_length=MOST_PARAMETERS),
    ]
    model: Model
    meta_iterations: Annotated[int, Field(ge=1, le=10_000_000)]
    first_order_until: Annotated[int, Field(ge=1)] | None = None
    selected_at: Annotated[list[Annotated[int, Field(ge=1)]], Field(max_length=101)] = []

    @model_validator(mode="after")
    def _selects_to_its_end(self) -> Self:
        at = self.selected_at
        if at and (at[-1] != self.meta_iterations or at != sorted(set(at))):
            raise ValueError(
                f"selected_at must rise to meta_iterations = {self.meta_iterations}, got {at}"
            )
        return self


class Gates(Wire):
    """What the best finalist must be able to do; without rules nothing is asked of it.

    The candidate and the baseline are trained `seeds` times afresh and judged on the first `tasks`
    tasks of a bank that neither search nor verdict has seen.  While a rule is undecided the number
    of tasks doubles, up to `most_tasks`; what is undecided then counts as `undecided` says.

    `baseline` is a name, for its present version, or `name@version`.  With `promote: pass` the
    candidate becomes the next version of that baseline if every rule passes, and where there is
    none of that name, its first: rules that compare then pass, since there is nothing to compare
    with.
    """

    rules: Annotated[
        list[Annotated[str, Field(max_length=200), AfterValidator(_is_rule)]], Field(max_length=10)
    ] = []
    baseline: (
        Annotated[str, AfterValidator(_is_label), Field(json_schema_extra=_LABEL_SCHEMA)] | None
    ) = None
    promote: Literal["never", "pass"] = "never"
    seeds: Annotated[int, Field(ge=1, le=20)] = 5
    tasks: Annotated[int, Field(ge=2, le=10_000)] = 400
    most_tasks: Annotated[int, Field(ge=2, le=10_000)] = 3200
    undecided: Literal["fail", "pass"] = "fail"
    incumbent: Incumbent | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for rule in self.parsed():
            if rule.compares and self.baseline is None:
                raise ValueError(
                    f"gate {rule.text} compares with a baseline: name one in gates.baseline "
                    "(--baseline NAME), or take at-least:VALUE"
                )
        if self.baseline is not None and not self.rules:
            raise ValueError(
                f"gates.baseline = {self.baseline} needs a rule by which to compare with it: "
                f"add one to gates.rules ({listed_forms()})"
            )
        pinned = self.baseline is not None and "@" in self.baseline and self.incumbent is None
        if self.promote == "pass" and (self.baseline is None or pinned):
            raise ValueError(
                "gates.promote: pass needs the name of a baseline, without a version, in "
                f"gates.baseline, got {self.baseline}"
            )
        if self.most_tasks < self.tasks:
            raise ValueError(
                f"gates.most_tasks must be at least gates.tasks = {self.tasks}, "
                f"got {self.most_tasks}"
            )
        if self.incumbent is not None:
            self._check_incumbent(self.incumbent)
        return self

    def _check_incumbent(self, incumbent: Incumbent) -> None:
        label = f"{incumbent.name}@{incumbent.version}"
        if self.baseline not in (incumbent.name, label):
            raise ValueError(
                f"gates.incumbent is {label}, and gates.baseline is "
                f"{self.baseline}: leave gates.incumbent out, the server fills it in"
            )

    def parsed(self) -> list[Rule]:
        """The rules, in the order in which they are written."""
        return [parse_rule(text) for text in self.rules]

    def baseline_name(self) -> str | None:
        """Name of the baseline, without a version."""
        return parse_label(self.baseline).name if self.baseline is not None else None

    def interim_analyses(self) -> list[int]:
        """Numbers of tasks on which the gates are answered, one after the other, at most."""
        tasks = [self.tasks]
        while tasks[-1] < self.most_tasks:
            tasks.append(min(2 * tasks[-1], self.most_tasks))
        return tasks

    def costs(self) -> list[str]:
        """Metrics that have to be measured for the rules."""
        return [metric for rule in self.parsed() for metric in rule.costs]
