"""What a verdict compares with: the spec's defaults, or a published recipe, trained and judged
as often as a finalist.

    default                     the spec's own: its fixed values, else documented defaults
    paper:maml-sinusoid, …      a preset (docs/presets.md): its values, and where it is silent what
                                the spec fixes, else documented defaults
    none                        nothing
"""

from collections.abc import Sequence
from typing import NamedTuple

from metaopt.algorithms.registry import complete
from metaopt.messages import did_you_mean
from metaopt.metaparams import Value
from metaopt.presets import PRESETS
from service.wire.parsing.plain_data import show
from service.wire.spec.space import Branch


class Configuration(NamedTuple):
    """What a trial trains: a branch, by name, with all meta-hyperparameters of its algorithm."""

    branch: str
    params: dict[str, Value]


def known_name(compare: str) -> str:
    """`compare` itself, checked.

    Raises:
        ValueError: it names nothing; lists what there is.
    """
    if compare in ("default", "none") or compare in PRESETS:
        return compare
    names = ["default", "none", *PRESETS]
    raise ValueError(
        f"must be default, none or a preset ({', '.join(PRESETS)}), got {show(compare)}"
        f"{did_you_mean(compare, names)}"
    )


def check_fit(compare: str, tasks: str, branches: Sequence[Branch]) -> None:
    """Refuse a preset that cannot be trained beside the study's finalists.

    Args:
        tasks: The kind of the study's tasks.

    Raises:
        ValueError: it is for other tasks, or no branch has its algorithm.
    """
    preset = PRESETS.get(compare)
    if preset is None:
        return
    if preset.tasks != tasks:
        fitting = [recipe.name for recipe in PRESETS.values() if recipe.tasks == tasks]
        listed = f"one of {', '.join(fitting)}" if fitting else "default or none"
        raise ValueError(
            f"verdict.compare: {compare} is a recipe for {preset.tasks} tasks, and these are "
            f"{tasks}: take {listed}"
        )
    names = list(dict.fromkeys(branch.algorithm for branch in branches))
    if preset.algorithm not in names:
        raise ValueError(
            f"verdict.compare: {compare} is a recipe of {preset.algorithm}, and this study has "
            f"no such branch, only {', '.join(names)}: add one, or take default, none or a "
            f"recipe of {' or '.join(names)}"
        )


def reference(compare: str, branches: Sequence[Branch], leading: str) -> Configuration | None:
    """The configuration beside the finalists, or None.

    Args:
        compare: As in the spec.
        branches: Of the spec.
        leading: The branch that leads the search, whose defaults count; where it searches
            nothing, the finalists are its defaults.  A preset is trained by it, too, if it is
            one of its algorithm, else by the first that is.
    """
    preset = PRESETS.get(compare)
    if compare == "none":
        return None
    leader_first = sorted(branches, key=lambda branch: branch.name != leading)
    if preset is None:
        leader = leader_first[0]
        return Configuration(leader.name, leader.defaults()) if leader.distributions() else None
    branch = next(branch for branch in leader_first if branch.algorithm == preset.algorithm)
    published = {parameter: value.value for parameter, value in preset.values.items()}
    params = complete(branch.algorithm, {**branch.fixed(), **published})
    return Configuration(branch.name, params)
