"""What a verdict compares with: one of these, or a list of them.

    default                     the spec's own: its fixed values, else documented defaults
    paper:maml-sinusoid, …      a preset (docs/presets.md): its values, and where it is silent what
                                the spec fixes, else documented defaults
    pretrain, scratch, …        an algorithm that does not meta-learn, with its documented defaults;
                                of a branch that trains it, with what that fixes
    nearest_mean, ridge, …      a trivial predictor, which nobody trains
    none                        nothing

All but the last two are trained and judged as often as a finalist, on the same sealed tasks.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from metaopt.algorithms.registry import ALGORITHMS, complete
from metaopt.evaluation.trivial_names import TRIVIAL_NAMES, trivial_names
from metaopt.messages import did_you_mean
from metaopt.metaparams import Value
from metaopt.presets import PRESETS
from service.wire.names import BRANCH_NAME
from service.wire.parsing.plain_data import show
from service.wire.spec.space import Branch
from service.wire.spec.tasks import TasksSpec

DEFAULT, NONE = "default", "none"
MOST_NAMES = 20


class Configuration(NamedTuple):
    """What a trial trains: a branch, by name, with all meta-hyperparameters of its algorithm."""

    branch: str
    params: dict[str, Value]


def names_of(compare: str | Sequence[str]) -> tuple[str, ...]:
    """What a spec compares with, by name; nothing for none."""
    if isinstance(compare, str):
        return () if compare == NONE else (compare,)
    return tuple(compare)


def trained(names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names that have to be trained."""
    return tuple(name for name in names if name not in TRIVIAL_NAMES)


def is_way_without(name: str) -> bool:
    """Whether a name is of a way without meta-learning, trained or not."""
    return name in TRIVIAL_NAMES or _is_algorithm(name)


def _is_algorithm(name: str) -> bool:
    return name in ALGORITHMS and not ALGORITHMS.get(name).meta_learns


def _known(compare: str | list[str]) -> str | list[str]:
    listed = [compare] if isinstance(compare, str) else compare
    for name in listed:
        _check_known(name, alone=isinstance(compare, str))
    if twice := [name for name in listed if listed.count(name) > 1]:
        raise ValueError(f"names {twice[0]} twice")
    return compare


def _check_known(name: str, *, alone: bool) -> None:
    if name == NONE and not alone:
        raise ValueError("must be none, or a list without it")
    if name in (DEFAULT, NONE) or name in PRESETS or is_way_without(name):
        return
    ways = [*(a.name for a in ALGORITHMS.kinds() if not a.meta_learns), *TRIVIAL_NAMES]
    raise ValueError(
        f"must be default, none, a preset ({', '.join(PRESETS)}), a way without meta-learning "
        f"({', '.join(ways)}), or a list of them, got {show(name)}"
        f"{did_you_mean(name, [DEFAULT, NONE, *PRESETS, *ways])}"
    )


def _a_name_or_names(given: object) -> object:
    listed = given if isinstance(given, list) else [given]
    if not 1 <= len(listed) <= MOST_NAMES or not all(isinstance(name, str) for name in listed):
        raise ValueError(f"must be a name or a list of 1 to {MOST_NAMES} names, got {show(given)}")
    return given


_Name = Annotated[str, Field(max_length=200)]
_Names = Annotated[list[_Name], Field(min_length=1, max_length=MOST_NAMES)]
Compare = Annotated[_Name | _Names, BeforeValidator(_a_name_or_names), AfterValidator(_known)]


def check_fit(names: Sequence[str], tasks: TasksSpec, branches: Sequence[Branch]) -> None:
    """Refuse what cannot be compared with on the study's tasks.

    Raises:
        ValueError: a preset is for other tasks, or no branch has its algorithm; a way without
            meta-learning is for other tasks; says what fits.
    """
    for name in names:
        if name in PRESETS:
            _check_preset(name, tasks.kind, branches)
        elif is_way_without(name):
            _check_way(name, tasks, branches)


def _check_preset(name: str, tasks: str, branches: Sequence[Branch]) -> None:
    preset = PRESETS[name]
    if preset.tasks != tasks:
        fitting = [recipe.name for recipe in PRESETS.values() if recipe.tasks == tasks]
        listed = f"one of {', '.join(fitting)}" if fitting else "default or none"
        raise ValueError(
            f"verdict.compare: {name} is a recipe for {preset.tasks} tasks, and these are "
            f"{tasks}: take {listed}"
        )
    names = list(dict.fromkeys(branch.algorithm for branch in branches))
    if preset.algorithm not in names:
        raise ValueError(
            f"verdict.compare: {name} is a recipe of {preset.algorithm}, and this study has "
            f"no such branch, only {', '.join(names)}: add one, or take default, none or a "
            f"recipe of {' or '.join(names)}"
        )


def _check_way(name: str, tasks: TasksSpec, branches: Sequence[Branch]) -> None:
    if why := _why_not(name, tasks):
        raise ValueError(
            f"verdict.compare: {name} {why}: take one of {', '.join(_fitting_ways(tasks))}"
        )
    if name in TRIVIAL_NAMES or any(one.algorithm == name for one in branches):
        return
    if len(name) > BRANCH_NAME.most:
        raise ValueError(
            f"verdict.compare: {name} is trained as a branch of that name, which has more than "
            f"{BRANCH_NAME.most} characters: add a branch of that algorithm with a name of its own"
        )
    taken = [one for one in branches if one.name == name and one.algorithm != name]
    if taken:
        raise ValueError(
            f"verdict.compare: {name} is trained as a branch of that name, and branch {name} of "
            f"this study trains {taken[0].algorithm}: give it another name"
        )


def _why_not(name: str, tasks: TasksSpec) -> str | None:
    """Why a way without meta-learning cannot do the tasks, in words; None if it can."""
    asked = tasks.metric_record.target
    if name in TRIVIAL_NAMES:
        of = {"classes": trivial_names(True), "numbers": trivial_names(False)}
        fits = [target for target, names in of.items() if name in names]
    else:
        fits = list(ALGORITHMS.get(name).targets)
    if asked not in fits:
        return f"is for tasks of {' and '.join(fits)}, and these ask for {asked}"
    trained_on_all = name not in TRIVIAL_NAMES and ALGORITHMS.get(name).numbered_classes
    if asked == "classes" and trained_on_all and not tasks.record.numbered_classes:
        return (
            f"trains on all classes of meta-training at once, and tasks {tasks.kind} do not say "
            "which of them an example is of"
        )
    return None


def _fitting_ways(tasks: TasksSpec) -> Iterator[str]:
    ways = [a.name for a in ALGORITHMS.kinds() if not a.meta_learns]
    return (name for name in (*ways, *TRIVIAL_NAMES) if _why_not(name, tasks) is None)


def own_branches(names: Sequence[str], branches: Sequence[Branch]) -> list[Branch]:
    """Branches, of one configuration each, for what is trained and is of no branch of the spec."""
    there = {branch.algorithm for branch in branches}
    return [
        Branch.model_construct(algorithm=name, name=name, model=None, space={}, share=None)
        for name in trained(names)
        if _is_algorithm(name) and name not in there
    ]


def reference(name: str, branches: Sequence[Branch], leading: str) -> Configuration | None:
    """The configuration beside the finalists, or None where nothing is trained.

    Args:
        name: Of `names_of`.
        branches: Of the spec.
        leading: The branch that leads the search, whose defaults count; where it searches
            nothing, the finalists are its defaults.  What names an algorithm is trained by it, too,
            if it is one of that, else by the first that is.
    """
    preset = PRESETS.get(name)
    leader_first = sorted(branches, key=lambda branch: branch.name != leading)
    if preset is not None:
        branch = _of_algorithm(preset.algorithm, leader_first)
        published = {parameter: value.value for parameter, value in preset.values.items()}
        params = complete(branch.algorithm, {**branch.fixed(), **published})
        return Configuration(branch.name, params)
    if _is_algorithm(name):
        branch = _of_algorithm(name, [*leader_first, *own_branches([name], branches)])
        return Configuration(branch.name, branch.defaults())
    if name != DEFAULT or not leader_first[0].distributions():
        return None
    return Configuration(leader_first[0].name, leader_first[0].defaults())


def _of_algorithm(algorithm: str, branches: Sequence[Branch]) -> Branch:
    return next(branch for branch in branches if branch.algorithm == algorithm)


def references(
    names: Sequence[str], branches: Sequence[Branch], leading: str
) -> dict[str, Configuration]:
    """What is trained beside the finalists, by name."""
    found = {name: reference(name, branches, leading) for name in names}
    return {name: configuration for name, configuration in found.items() if configuration}
