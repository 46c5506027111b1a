"""From examples in any order to a packed data set: rows group by group, and what looks suspicious.

Groups stand in the order train, validation, test, none; then by name, numbers in names by their
value.  So it does not matter in which order a file system or a table had them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from numpy.typing import NDArray

from metaopt.data import arrays as files
from metaopt.data.duplicates import duplicates
from metaopt.data.limits import MOST_GROUPS
from metaopt.data.manifest import Group, Kind, Manifest, Target
from metaopt.data.pack import Packed
from metaopt.errors import InvalidData
from metaopt.messages import shown

SPLITS = ("train", "validation", "test")
SPLIT_WORDS = {"train": "train", "validation": "validation", "val": "validation",
               "valid": "validation", "test": "test"}  # fmt: skip
MOST_NAMED = 3
LONGEST_NAME = 200


class Key(NamedTuple):
    """What a group is told from others by: its name, and its split if the data say one."""

    name: str
    split: str | None


class Meaning(NamedTuple):
    """What the rows are, for the manifest; see there."""

    kind: Kind
    target: Target
    packing: Mapping[str, Any]
    licence: str | None = None
    features: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


def grouped(
    meaning: Meaning,
    x: NDArray[Any],
    of: NDArray[Any],
    keys: Sequence[Key],
    *,
    named: Callable[[int], str],
    y: NDArray[Any] | None = None,
    labels: NDArray[Any] | None = None,
    notices: Sequence[str] = (),
) -> Packed:
    """Pack rows.

    Args:
        x: (N, *input_shape), uint8 or float32.
        of: (N,), the place of each row's group in `keys`.
        keys: No two alike, each of one row or more.
        named: What a row is called, by its number.
        y: (N, outputs) float32, of numbers to predict.
        labels: (N,), the place of each row's class in `meaning.targets`, of tasks with classes.
        notices: Found by whoever read them.

    Raises:
        InvalidData: Too few groups, or too many.
    """
    import numpy as np

    check_groups(meaning, keys)
    order = sorted(range(len(keys)), key=lambda place: rank(keys[place]))
    place = np.empty(len(keys), np.int64)
    place[order] = np.arange(len(keys))
    of = place[of]
    keys = [keys[number] for number in order]
    rows = np.lexsort((of,) if labels is None else (labels, of))
    if not np.array_equal(rows, np.arange(len(rows))):
        x, of, y = x[rows], of[rows], None if y is None else y[rows]
    counts = np.bincount(of, minlength=len(keys)).tolist()
    groups = tuple(Group(k.name, n, k.split) for k, n in zip(keys, counts, strict=True))
    if labels is not None:
        many = len(meaning.targets)
        by_label = np.bincount(of * many + labels[rows], minlength=len(keys) * many)
        each = by_label.reshape(-1, many).tolist()
        groups = tuple(replace(g, counts=tuple(n)) for g, n in zip(groups, each, strict=True))
    found = [*notices]
    if meaning.target == "class":
        found += shared(keys)
    found += alone(meaning, groups)
    if meaning.target == "class":
        found += duplicates(x, of, keys, lambda row: named(int(rows[row])))
    return pack(meaning, x, y, groups, found)


def pack(
    meaning: Meaning,
    x: NDArray[Any],
    y: NDArray[Any] | None,
    groups: tuple[Group, ...],
    notices: Sequence[str],
) -> Packed:
    """Put arrays whose rows lie group by group beside their manifest."""
    arrays = {"x": x} if y is None else {"x": x, "y": y}
    outputs = 0 if y is None else y.shape[1]
    if meaning.target == "label":
        outputs = len(meaning.targets)
    manifest = Manifest(
        kind=meaning.kind,
        target=meaning.target,
        input_shape=tuple(x.shape[1:]),
        outputs=outputs,
        groups=groups,
        arrays=files.digest(arrays),
        features=meaning.features,
        targets=meaning.targets,
        packing=dict(meaning.packing),
        licence=meaning.licence,
        notices=tuple(notices),
    )
    return Packed(manifest, arrays)


def check_groups(meaning: Meaning, keys: Sequence[Key]) -> None:
    """Refuse what no study could make tasks of.

    Raises:
        InvalidData: There are fewer than two classes, too many groups, or a name is no name.
    """
    noun = "classes" if meaning.target == "class" else "tasks"
    if len(keys) > MOST_GROUPS:
        raise InvalidData(
            f"a data set has at most {MOST_GROUPS:,} {noun}, these have {len(keys):,}, such as "
            f"{listed([key.name for key in keys])}: is that what tells {noun} apart?"
        )
    for name in (key.name for key in keys):
        if not name.strip() or len(name) > LONGEST_NAME or not is_text(name):
            raise InvalidData(
                f"the name of one of the {noun} must have 1 to {LONGEST_NAME} characters that "
                f"UTF-8 has, got {shown(name)}"
            )
    if len({key.name for key in keys}) < 2:
        only = f"the one class {shown(keys[0].name)}" if meaning.target == "class" else "one task"
        raise InvalidData(f"two {noun} are the least, these data have {only if keys else 'none'}")


def is_text(name: str) -> bool:
    """Whether UTF-8 has all characters of a name; a file system may have others."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shared(keys: Sequence[Key]) -> list[str]:
    """Say which classes are in more than one split."""
    splits: dict[str, int] = {}
    for key in keys:
        splits[key.name] = splits.get(key.name, 0) + 1
    several = [name for name, many in splits.items() if many > 1]
    if not several:
        return []
    return [
        f"{counted(len(several), 'class is', 'classes are')} in more than one split: "
        f"{listed(several)}; what is tested there was trained on"
    ]


def alone(meaning: Meaning, groups: Sequence[Group]) -> list[str]:
    """Say which classes or tasks have one example, so no support and query both."""
    if meaning.target == "label":
        return _lacking(meaning, groups)
    single = [group.name for group in groups if group.examples == 1]
    if not single:
        return []
    is_class = meaning.target == "class"
    words = ("class has", "classes have") if is_class else ("task has", "tasks have")
    return [
        f"{counted(len(single), *words)} one example only, support and query need one each: "
        f"{listed(single)}"
    ]


def _lacking(meaning: Meaning, groups: Sequence[Group]) -> list[str]:
    few = [group for group in groups if min(group.parts) < 2]
    if not few:
        return []
    classes = [meaning.targets[group.parts.index(min(group.parts))] for group in few]
    tasks = [f"{group.name} (class {label})" for group, label in zip(few, classes, strict=True)]
    return [
        f"{counted(len(few), 'task has', 'tasks have')} fewer than two examples of a class, and "
        f"support and query need one each: {listed(tasks)}"
    ]


def counted(number: int, one: str, more: str) -> str:
    """A number with its noun.

    Example:
        >>> counted(1, "class is", "classes are")
        '1 class is'
    """
    return f"{number:,} {one if number == 1 else more}"


def listed(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - MOST_NAMED
    few = ", ".join(shown(name) for name in names[:MOST_NAMED])
    return f"{few} and {more:,} more" if more > 0 else few


def rank(key: Key) -> tuple[Any, ...]:
    """What groups are sorted by."""
    split = SPLITS.index(key.split) if key.split in SPLITS else len(SPLITS)
    return split, *natural(key.name)


def natural(name: str) -> tuple[Any, ...]:
    """What names are sorted by: numbers in them by their value."""
    parts = re.split(r"([0-9]+)", name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], name
