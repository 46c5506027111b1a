"""The branches of a spec and their spaces; names and bounds come from `metaopt.algorithms`."""

from functools import cache
from typing import Annotated, Any, Self

from pydantic import Field, TypeAdapter, ValidationInfo, field_validator, model_validator

from metaopt.algorithms.registry import ALGORITHMS, complete, parameters
from metaopt.errors import InvalidMetaParameter
from metaopt.messages import did_you_mean
from metaopt.metaparams import MetaParam, Value
from service.wire.base import Wire
from service.wire.names import BRANCH_NAME
from service.wire.spec.budget import Seconds
from service.wire.spec.kinds import Formed, literal
from service.wire.spec.model import Model


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


class ChoiceList(Wire):
    """A value searched among those listed."""

    choices: Annotated[list[float | int | str], Field(min_length=2, max_length=256)]


@cache
def _one_of(names: tuple[str, ...]) -> TypeAdapter[Any]:
    return literal(names)


Algorithm = Annotated[str, Formed(lambda: _one_of(ALGORITHMS.names()))]
SpaceEntry = float | int | str | Range | ChoiceList
Space = dict[str, SpaceEntry]
MOST_PARAMETERS = 64


def documented_space(algorithm: object) -> Space:
    """What a branch of `algorithm` searches that has no `space`; {} of one that is not there."""
    if algorithm not in ALGORITHMS.names():
        return {}
    params = parameters(str(algorithm))
    return {name: _default_range(param) for name, param in params.items() if param.searched}


class Branch(Wire):
    """One algorithm and its space, under a name of its own in the study.

    `name` is the algorithm's where none is given, so only branches of the same algorithm need one.
    `model` takes the place of the study's, whole, for the trials of this branch.

    An entry of `space` is a value (fixed), {low, high, log}, {choices}, or "default" for the
    parameter's documented range; a parameter that is not mentioned is fixed at its default.
    Without `space`, rates and inner steps are searched over their documented ranges
    (docs/meta-parameters.md); `space: {}` searches nothing.  Documented ranges are written out, so
    that a stored spec means the same whatever later versions document (docs/adr/0016).
    `share` fixes how the trials of the budget are divided: in proportion to it, 1 where another
    branch has one and this has none.  `device_seconds` is the most that the segments of its search
    trials may take together; once that is spent it asks for no more, and null is no limit.
    """

    algorithm: Algorithm
    name: Annotated[
        str,
        Field(
            default_factory=lambda fields: fields["algorithm"],
            json_schema_extra={"pattern": BRANCH_NAME.pattern},
        ),
    ]
    model: Model | None = None
    space: Annotated[
        dict[Annotated[str, Field(max_length=64)], SpaceEntry],
        Field(
            default_factory=lambda fields: documented_space(fields["algorithm"]),
            max_length=MOST_PARAMETERS,
        ),
    ]
    share: Annotated[float, Field(gt=0, le=1e6)] | None = None
    device_seconds: Seconds | None = None

    @field_validator("name")
    @classmethod
    def _may_be_called(cls, name: str, info: ValidationInfo) -> str:
        return name if name == info.data.get("algorithm") else BRANCH_NAME.check(name)

    @field_validator("space")
    @classmethod
    def _written_out(cls, space: Space, info: ValidationInfo) -> Space:
        documented = parameters(info.data["algorithm"]) if "algorithm" in info.data else {}
        return {
            name: _default_range(documented[name])
            if entry == "default" and name in documented
            else entry
            for name, entry in space.items()
        }

    @model_validator(mode="after")
    def _within_the_rules(self) -> Self:
        params = parameters(self.algorithm)
        for name, entry in self.space.items():
            if name not in params:
                raise ValueError(
                    f"{self.algorithm} has no parameter {name!r}{did_you_mean(name, params)}; "
                    f"it has {', '.join(params)}"
                )
            _check_entry(params[name], entry)
        return self

    def distributions(self) -> dict[str, Range | ChoiceList]:
        """The searched parameters with their ranges or choices."""
        return {name: e for name, e in self.space.items() if isinstance(e, Range | ChoiceList)}

    def fixed(self) -> dict[str, Value]:
        """Every parameter that is not searched, with its value."""
        fixed = {
            name: entry
            for name, entry in self.space.items()
            if not isinstance(entry, Range | ChoiceList)
        }
        searched = self.distributions()
        return {k: v for k, v in complete(self.algorithm, fixed).items() if k not in searched}

    def defaults(self) -> dict[str, Value]:
        """Every parameter without a search: fixed values, else documented defaults."""
        return complete(self.algorithm, self.fixed())


def check_names(branches: list[Branch]) -> list[Branch]:
    """The branches, whose names must tell them apart and be short enough for the tables.

    Raises:
        ValueError: two have the same name, or one has the long name of its algorithm; says what to
            do.
    """
    names = [branch.name for branch in branches]
    for name in names:
        if len(name) > BRANCH_NAME.most:
            raise ValueError(
                f"must have names of at most {BRANCH_NAME.most} characters: give that of {name} a "
                "name of its own"
            )
    twice = [branch for branch in branches if names.count(branch.name) > 1]
    if not twice:
        return branches
    why = f"must have names of their own, got {', '.join(names)}"
    if any(branch.name == branch.algorithm for branch in twice):
        why += ", where one without a name is called as its algorithm"
    example = f"name: {twice[0].algorithm}-1"
    raise ValueError(f"{why}: give each of these a name, as {example}")


def without_defaults(branch: dict[str, Any]) -> dict[str, Any]:
    """A dumped branch without what it has by default and was not always there."""
    by_default = {"name": branch["algorithm"], "model": None, "device_seconds": None}
    return {
        field: value
        for field, value in branch.items()
        if field not in by_default or value != by_default[field]
    }


def _check_entry(param: MetaParam, entry: SpaceEntry) -> None:
    if isinstance(entry, Range):
        if param.kind == "choice":
            raise ValueError(f"{param.name} has no range: give one of {', '.join(param.choices)}")
        values: list[float | int | str] = [entry.low, entry.high]
    elif isinstance(entry, ChoiceList):
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


def ends(entry: SpaceEntry | None) -> list[float]:
    """The ends of a range, or the numbers that an entry allows."""
    if isinstance(entry, Range):
        return [entry.low, entry.high]
    values = entry.choices if isinstance(entry, ChoiceList) else [entry]
    return [value for value in values if isinstance(value, int | float)]


def largest(entry: SpaceEntry | None) -> float | None:
    """The largest number that an entry allows, if it has numbers."""
    return max(ends(entry), default=None)


def _default_range(param: MetaParam) -> Range | ChoiceList:
    if param.kind == "choice":
        return ChoiceList(choices=list(param.choices))
    return Range(low=param.low, high=param.high, log=param.log)
