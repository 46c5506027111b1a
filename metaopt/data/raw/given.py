"""Examples that somebody gives a trained model: to adapt to, and to predict."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from metaopt.data.groups import Key, listed, rank
from metaopt.errors import InvalidExamples
from metaopt.messages import did_you_mean, shown


class Given(NamedTuple):
    """Examples as their owner has them.

    Args:
        x: Values as packed (N, …), or N texts.
        labels: The class of each, as its owner calls it; None where there is none.
        y: Numbers (N, C), where those are to be predicted and there are any.
        names: What each is called, e.g. its file; () where they have no names.
    """

    x: Any
    labels: list[str] | None = None
    y: Any = None
    names: tuple[str, ...] = ()


def classes_of(support: Given, n_way: int) -> list[str]:
    """The classes of a support set, numbers in names by their value.

    Args:
        n_way: As many as the model tells apart.

    Raises:
        InvalidExamples: There are more or fewer, or not equally many examples of each.
    """
    if support.labels is None:
        raise InvalidExamples(
            "the support set must say the class of each example: put images into a folder a class"
        )
    names = sorted(set(support.labels), key=lambda name: rank(Key(name, None)))
    if len(names) != n_way:
        raise InvalidExamples(
            f"the winner tells {n_way} classes apart, the support set has {len(names)} "
            f"({listed(names)}): give examples of {n_way}"
        )
    counts = {name: support.labels.count(name) for name in names}
    least, most = min(names, key=counts.__getitem__), max(names, key=counts.__getitem__)
    if counts[least] < counts[most]:
        raise InvalidExamples(
            f"each class needs equally many support examples, {shown(least)} has {counts[least]} "
            f"and {shown(most)} has {counts[most]}: take {counts[least]} of each"
        )
    return names


def numbered(labels: Sequence[str], classes: Sequence[str]) -> list[int] | None:
    """The place of each label among the classes; None if they are no labels of classes.

    `alpha` is Greek/alpha if no other class ends so.  A single folder that is called like no class
    only holds what is to be predicted.

    Raises:
        InvalidExamples: One is called like no class.
    """
    places = {label: _place(label, classes) for label in dict.fromkeys(labels)}
    unknown = [label for label, place in places.items() if place is None]
    if unknown and len(places) == 1:
        return None
    if unknown:
        meant = did_you_mean(unknown[0], classes)
        raise InvalidExamples(
            f"the query set has class {shown(unknown[0])}{meant}; the support set has "
            f"{listed(list(classes))}"
        )
    return [place for label in labels if (place := places[label]) is not None]


def _place(label: str, classes: Sequence[str]) -> int | None:
    if label in classes:
        return classes.index(label)
    ends = [place for place, name in enumerate(classes) if name.endswith(f"/{label}")]
    return ends[0] if len(ends) == 1 else None
