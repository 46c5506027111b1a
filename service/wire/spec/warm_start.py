"""Warm start: points that a study's search begins with, from earlier studies or from papers.

A user names studies and presets, or gives points; what is stored is points alone, each with where
it comes from, so that the study needs nothing else to be repeated.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from metaopt.algorithms.registry import parameters
from metaopt.errors import InvalidMetaParameter
from metaopt.metaparams import MetaParam, Value
from service.wire.base import Wire
from service.wire.spec.space import MOST_PARAMETERS, Branch, ChoiceList, Range

Name = Annotated[str, Field(min_length=1, max_length=200)]


class WarmTrial(Wire):
    """A point to begin with: a value for each searched parameter of a branch, by its name.

    `source` says where it comes from and what was changed to make it fit the space.
    """

    branch: Annotated[str, Field(max_length=32)]
    params: Annotated[
        dict[Annotated[str, Field(max_length=64)], float | int | str],
        Field(max_length=MOST_PARAMETERS),
    ]
    source: Annotated[str, Field(max_length=2000)] = "given in the spec"


class WarmStart(Wire):
    """Where a search begins: its first trials, taken from the study's budget.

    Args:
        studies: Ids or names of earlier studies, or `last`; a name is its newest study.
        best: How many of each of them: the best completed trials, by search score.
        baselines: Names of baselines, for their present versions, or `name@version`.
        presets: Published recipes, such as `paper:maml-sinusoid` (docs/presets.md).
        trials: Points as they are.
    """

    studies: Annotated[list[Name], Field(max_length=20)] = []
    best: Annotated[int, Field(ge=1, le=100)] = 3
    baselines: Annotated[list[Name], Field(max_length=20)] = []
    presets: Annotated[list[Name], Field(max_length=20)] = []
    trials: Annotated[list[WarmTrial], Field(max_length=1000)] = []


def warm_points(warm_start: WarmStart, branch: Branch) -> list[dict[str, Value]]:
    """The points that `branch` begins with, in their order."""
    searched, params = branch.distributions(), parameters(branch.algorithm)
    return [
        {name: _typed(entry, params[name], trial.params[name]) for name, entry in searched.items()}
        for trial in warm_start.trials
        if trial.branch == branch.name
    ]


def check_warm_trials(trials: Sequence[WarmTrial], branches: Mapping[str, Branch]) -> None:
    """Refuse points that no trial of their branch could have.

    Raises:
        ValueError: no such branch, or a parameter is missing, not searched or out of its range.
    """
    for index, trial in enumerate(trials):
        where = f"warm_start.trials[{index}]"
        if trial.branch not in branches:
            raise ValueError(
                f"{where}.branch must be one of {', '.join(branches)}, got {trial.branch!r}"
            )
        branch = branches[trial.branch]
        searched = branch.distributions()
        if set(trial.params) != set(searched):
            raise ValueError(
                f"{where}.params must have a value for each searched parameter of {trial.branch} "
                f"({', '.join(searched) or 'none'}), got {', '.join(trial.params) or 'none'}"
            )
        params = parameters(branch.algorithm)
        for name, entry in searched.items():
            if not allows(entry, params[name], trial.params[name]):
                raise ValueError(
                    f"{where}.params.{name} must be {in_words(entry)}, got {trial.params[name]!r}"
                )


def allows(entry: Range | ChoiceList, param: MetaParam, value: Value) -> bool:
    """Whether a sampler could suggest `value` for `param`."""
    if isinstance(entry, ChoiceList):
        return value in entry.choices
    try:
        return entry.low <= float(param.check(value)) <= entry.high
    except InvalidMetaParameter:
        return False


def in_words(entry: Range | ChoiceList) -> str:
    """The values that an entry allows, in words."""
    if isinstance(entry, ChoiceList):
        return f"one of {', '.join(map(str, entry.choices))}"
    return f"in [{entry.low:g}, {entry.high:g}]"


def _typed(entry: Range | ChoiceList, param: MetaParam, value: Value) -> Value:
    if isinstance(entry, ChoiceList):
        return entry.choices[entry.choices.index(value)]
    return param.check(value)
