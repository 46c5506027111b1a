"""Gates: what the best finalist of a study must be able to do, and beside which baseline.

    no-worse:DELTA            its score is not worse than the baseline's by more than DELTA
    better                    its score is better than the baseline's
    at-least:VALUE            its score is VALUE or better (of errors: VALUE or less)
    cost:METRIC<=BOUND        it costs no more than BOUND, or with `1.1x` than 1.1 times what the
                              baseline costs
    divergence:SHARE          it diverges on no more than that share of tasks

Each is answered pass, fail or undecided (`service.judgement.gates`).
"""

import math
import re
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from service.wire.base import Wire
from service.wire.spec.model import Model

Kind = Literal["no-worse", "better", "at-least", "cost", "divergence"]
Cost = Literal["adaptation_examples", "adaptation_milliseconds", "peak_memory_bytes"]

MEASURED_COST: Cost = "adaptation_milliseconds"
COSTS: tuple[Cost, ...] = ("adaptation_examples", "adaptation_milliseconds", "peak_memory_bytes")
FORMS = "better, no-worse:DELTA, at-least:VALUE, cost:METRIC<=BOUND or divergence:SHARE"
BASELINE_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
BASELINE_LABEL = rf"{BASELINE_NAME}(@[1-9][0-9]{{0,8}})?"

_COST = re.compile(r"(?P<metric>[a-z_]+)<=(?P<bound>[^x]+)(?P<times>x?)")


class BaselineLabel(NamedTuple):
    """Which baseline is meant: a name and a version, None for its present one."""

    name: str
    version: int | None


def parse_label(text: str) -> BaselineLabel:
    """Read `main` or `main@3`.

    Raises:
        ValueError: It is neither.
    """
    if re.fullmatch(BASELINE_LABEL, text) is None:
        raise ValueError(
            f"a baseline is a name, or a name and a version as in main@3 (letters, digits, . _ -), "
            f"got {text!r}"
        )
    name, _, version = text.partition("@")
    return BaselineLabel(name, int(version) if version else None)


class Rule(NamedTuple):
    """A rule as it was read.

    Args:
        text: As it was written.
        bound: DELTA, VALUE, BOUND or SHARE; of `better` 0.
        metric: Which cost.
        relative: Whether `bound` is a multiple of the baseline's cost.
    """

    text: str
    kind: Kind
    bound: float = 0.0
    metric: Cost | None = None
    relative: bool = False

    @property
    def compares(self) -> bool:
        """Return whether it needs a baseline."""
        return self.compares_scores or self.relative

    @property
    def compares_scores(self) -> bool:
        """Whether what it estimates is the candidate's score minus the baseline's."""
        return self.kind in ("no-worse", "better")


def parse_rule(text: str) -> Rule:
    """Return the rule that a text says.

    Raises:
        ValueError: it says none; the message says what could be said.
    """
    kind, colon, rest = text.partition(":")
    if kind == "better" and not colon:
        return Rule(text, "better")
    if kind == "no-worse" and colon:
        return Rule(text, "no-worse", _number(text, rest, least=0.0))
    if kind == "at-least" and colon:
        return Rule(text, "at-least", _number(text, rest, least=-math.inf))
    if kind == "divergence" and colon:
        return Rule(text, "divergence", _share(text, rest))
    if kind == "cost" and colon:
        return _cost(text, rest)
    raise ValueError(f"a gate must be {FORMS}, got {text!r}")


def _cost(text: str, rest: str) -> Rule:
    found = _COST.fullmatch(rest.replace(" ", ""))
    known = [name for name in COSTS if found and name == found["metric"]]
    if found is None or not known:
        raise ValueError(
            f"a cost gate must be cost:METRIC<=BOUND with METRIC one of {', '.join(COSTS)}, as "
            f"cost:{COSTS[0]}<=50 or cost:{COSTS[1]}<=1.2x (times the baseline's), got {text!r}"
        )
    bound = _number(text, found["bound"], least=0.0)
    return Rule(text, "cost", bound, known[0], relative=bool(found["times"]))


def _share(text: str, written: str) -> float:
    share = _number(text, written, least=0.0, most=1.0)
    if share == 0.0:
        raise ValueError(
            f"a share of 0 cannot be shown by any number of tasks, got {text!r}: take a small one, "
            "as divergence:0.01"
        )
    return share


def _number(text: str, written: str, *, least: float, most: float = math.inf) -> float:
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if math.isfinite(value) and least <= value <= most:
        return value
    allowed = "a finite number"
    if least > -math.inf:
        allowed = f"a number >= {least:g}" if most == math.inf else f"in [{least:g}, {most:g}]"
    raise ValueError(f"a gate's number must be {allowed}, got {written!r} in {text!r}")


def _is_rule(text: str) -> str:
    parse_rule(text)
    return text


class Incumbent(Wire):
    """The configuration of a baseline as a study trains it again; the server fills it in.

    Args:
        name, version: Of the baseline.
        branch: Its algorithm.
        params: All its meta-hyperparameters.
        model: What it trains.
        meta_iterations: For how long.
        first_order_until: As `pruning.first_order_until` of its study.
    """

    name: Annotated[str, Field(max_length=64)]
    version: Annotated[int, Field(ge=1)]
    branch: Annotated[str, Field(max_length=32)]
    params: dict[Annotated[str, Field(max_length=64)], float | int | str]
    model: Model
    meta_iterations: Annotated[int, Field(ge=1, le=10_000_000)]
    first_order_until: Annotated[int, Field(ge=1)] | None = None


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
    baseline: Annotated[str, Field(pattern=f"^{BASELINE_LABEL}$")] | None = None
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
                f"add one to gates.rules ({FORMS})"
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

    def _check_incumbent(self, one: Incumbent) -> None:
        if self.baseline not in (one.name, f"{one.name}@{one.version}"):
            raise ValueError(
                f"gates.incumbent is {one.name}@{one.version}, and gates.baseline is "
                f"{self.baseline}: leave gates.incumbent out, the server fills it in"
            )

    def parsed(self) -> list[Rule]:
        """Return the rules."""
        return [parse_rule(text) for text in self.rules]

    def baseline_name(self) -> str | None:
        """Return the name of the baseline, without a version."""
        return parse_label(self.baseline).name if self.baseline is not None else None

    def looks(self) -> list[int]:
        """Return on how many tasks the gates look, one look after the other."""
        looks = [self.tasks]
        while looks[-1] < self.most_tasks:
            looks.append(min(2 * looks[-1], self.most_tasks))
        return looks

    def costs(self) -> list[str]:
        """Return which costs the rules ask for."""
        return [rule.metric for rule in self.parsed() if rule.metric is not None]
