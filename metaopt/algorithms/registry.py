"""Algorithms by name; no torch here."""

from metaopt.algorithms.algorithm import Algorithm, Values
from metaopt.errors import InvalidMetaParameter
from metaopt.metaparams import MetaParam, Value
from metaopt.registry import Registry

ALGORITHMS: Registry[Algorithm] = Registry(
    "algorithm", "metaopt.algorithms.kinds", InvalidMetaParameter
)


def parameters(algorithm: str) -> dict[str, MetaParam]:
    """The parameters of `algorithm` by name.

    Raises:
        InvalidMetaParameter: no such algorithm.
    """
    return ALGORITHMS.get(algorithm).parameters()


def complete(algorithm: str, values: Values) -> dict[str, Value]:
    """The values checked, with the default of every parameter they do not mention.

    Raises:
        InvalidMetaParameter: no such algorithm, unknown name or bad value.

    Example:
        >>> complete("maml", {"inner_lr": 0.1})["outer_lr"]
        0.001
    """
    return ALGORITHMS.get(algorithm).complete(values)


def check_targets(algorithm: Algorithm, target: str) -> None:
    """Refuse tasks that an algorithm is not made for.

    Args:
        target: What they ask for: "classes", "numbers" or "actions".

    Raises:
        InvalidMetaParameter: it learns from others; says which algorithms fit.
    """
    if algorithm.does(target):
        return
    fitting = [other.name for other in ALGORITHMS.kinds() if other.does(target)]
    raise InvalidMetaParameter(
        f"algorithm {algorithm.name} is for tasks of {' and '.join(algorithm.targets)}, and these "
        f"ask for {target}: take one of {', '.join(fitting)}"
    )


def check_classes(algorithm: Algorithm, target: str, numbered: bool, tasks: str) -> None:
    """Refuse tasks of classes that do not say which of all classes an example is of, to an
    algorithm that trains on that.

    Args:
        target: Which of `metaopt.algorithms.algorithm.ALL_TARGETS` they ask for.
        numbered: Whether they say it (`metaopt.tasks.base.NumberedClasses`).
        tasks: What they are called.

    Raises:
        InvalidMetaParameter: says which algorithms fit.
    """
    if numbered or target != "classes" or not algorithm.numbered_classes:
        return
    fitting = [
        other.name
        for other in ALGORITHMS.kinds()
        if other.does("classes") and not other.numbered_classes
    ]
    raise InvalidMetaParameter(
        f"algorithm {algorithm.name} trains on all classes of meta-training at once, and tasks "
        f"{tasks} do not say which of them an example is of: give them class_count and "
        f"class_numbers (metaopt.tasks.base.NumberedClasses), or take one of {', '.join(fitting)}"
    )
