"""Which groups of a data set are for training, for validation and for the sealed test.

    given          as its manifest says
    random:SEED    64 / 16 / 20 % by an order that the seed names

A group, which is a class or a task, is in one split as a whole, and so are groups of one name.
All that is asked here follows from the manifest: no torch and no arrays.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from metaopt.data.manifest import Group, Manifest
from metaopt.errors import InvalidTasks
from metaopt.keys import key
from metaopt.messages import shown
from metaopt.tasks.kind import SPLITS

FORM = "given, or random: and a number of up to 9 digits, as random:3"
VALIDATION_PERCENT, TEST_PERCENT = 16, 20

Members = Mapping[str, tuple[int, ...]]
"""Positions of a split's groups in the manifest, by split, rising."""


def default_split(manifest: Manifest) -> str:
    """What the data say, or else random:0."""
    return "given" if any(group.split for group in manifest.groups) else "random:0"


def split_members(manifest: Manifest, split: str) -> Members:
    """The groups of each split.

    Args:
        split: "given", or "random:SEED".

    Raises:
        InvalidTasks: no such split, or too few groups for it.
    """
    if split == "given":
        return _given(manifest)
    seed = re.fullmatch(r"random:(\d{1,9})", split, re.ASCII) if isinstance(split, str) else None
    if seed is None:
        raise InvalidTasks(f"split must be {FORM}, got {shown(split)}")
    return _random(manifest, int(seed[1]))


def _given(manifest: Manifest) -> Members:
    without = [group.name for group in manifest.groups if group.split not in SPLITS]
    if without:
        raise InvalidTasks(
            f"split given needs one for each {noun(manifest)}, {len(without)} have none, the first "
            f"is {shown(without[0])}: take split random:0"
        )
    members = {part: _in(manifest.groups, part) for part in SPLITS}
    for part, chosen in members.items():
        if not chosen:
            raise InvalidTasks(
                f"split given has nothing in {part}: put some {noun(manifest, 2)} there, or take "
                "split random:0"
            )
    return members


def _in(groups: Sequence[Group], part: str) -> tuple[int, ...]:
    return tuple(i for i, group in enumerate(groups) if group.split == part)


def _random(manifest: Manifest, seed: int) -> Members:
    """Validation and test are rounded to the nearest, but at least 1; the rest is for training."""
    names = {group.name for group in manifest.groups}  # two may share one: splits of the data's own
    count = len(names)
    if count < len(SPLITS):
        raise InvalidTasks(
            f"split random needs at least 3 {noun(manifest, 2)}, one for each of "
            f"{', '.join(SPLITS)}, the data have {count}"
        )
    # By a hash of the name: one more class hardly moves the others between splits.
    order = sorted(names, key=lambda name: (key("dataset", "random", seed, name), name))
    validation, test = (
        max(1, (percent * count + 50) // 100) for percent in (VALIDATION_PERCENT, TEST_PERCENT)
    )
    train = count - validation - test
    parts = order[:train], order[train : train + validation], order[train + validation :]
    return {
        part: tuple(i for i, group in enumerate(manifest.groups) if group.name in chosen)
        for part, chosen in zip(SPLITS, map(set, parts), strict=True)
    }


def check_ways(manifest: Manifest, members: Members, n_way: int, turns: int) -> None:
    """Refuse more ways than the classes of some split.

    Args:
        turns: How many classes each becomes by rotations.

    Raises:
        InvalidTasks: it has fewer, and says how many.
    """
    for part, chosen in members.items():
        if n_way > turns * len(chosen):
            names = ", ".join(shown(manifest.groups[i].name, 30) for i in chosen[:3])
            raise InvalidTasks(
                f"n_way must be at most the {turns * len(chosen)} classes of split {part} ({names}"
                f"{', …' if len(chosen) > 3 else ''}), got {n_way}: lower it, or take another split"
            )


def check_shots(
    manifest: Manifest, members: Members, k_shot: int, q_query: int, parts: Sequence[str] = SPLITS
) -> None:
    """Refuse more examples than some class or task has: none is left out silently.

    Args:
        parts: The splits that are looked at.

    Raises:
        InvalidTasks: one has fewer; says its name, how many it has, and of how many that holds.
    """
    if k_shot < 0 or q_query < 0:
        raise InvalidTasks(f"k_shot and q_query must be >= 0, got {k_shot} and {q_query}")
    for part in parts:
        small = list(_small(manifest, members[part], k_shot, q_query))
        if small:
            name, lacks = small[0]
            others = f", and {len(small) - 1} more have too few" if len(small) > 1 else ""
            raise InvalidTasks(
                f"{noun(manifest)} {shown(name)} of split {part} has {lacks}{others}: lower k_shot "
                f"or q_query, or pack the data without {'them' if others else 'it'}"
            )


def _small(
    manifest: Manifest, chosen: Sequence[int], k_shot: int, q_query: int
) -> Iterator[tuple[str, str]]:
    for i in chosen:
        group = manifest.groups[i]
        lacks = _lacks(manifest, group, k_shot, q_query)
        if lacks:
            yield group.name, lacks


def _lacks(manifest: Manifest, group: Group, k_shot: int, q_query: int) -> str | None:
    if group.counts and group.supports:
        return _lacks_by_class(manifest, group, k_shot, q_query)
    if group.support is None:
        fewest = min(group.parts)
        if k_shot + q_query <= fewest:
            return None
        of = f" of {shown(manifest.targets[group.parts.index(fewest)])}" if group.counts else ""
        return (
            f"{fewest} examples{of}, k_shot + q_query = {k_shot} + {q_query} need "
            f"{k_shot + q_query}"
        )
    if k_shot > group.support:
        return f"{group.support} support examples, k_shot needs {k_shot}"
    if q_query > group.examples - group.support:
        return f"{group.examples - group.support} query examples, q_query needs {q_query}"
    return None


def _lacks_by_class(manifest: Manifest, group: Group, k_shot: int, q_query: int) -> str | None:
    each = zip(manifest.targets, group.parts, group.supports or (), strict=True)
    for label, count, support in each:
        if k_shot > support:
            return f"{support} support examples of {shown(label)}, k_shot needs {k_shot}"
        if q_query > count - support:
            return f"{count - support} query examples of {shown(label)}, q_query needs {q_query}"
    return None


def noun(manifest: Manifest, count: int = 1) -> str:
    """What a group of the data is called."""
    one, many = ("class", "classes") if manifest.target == "class" else ("task", "tasks")
    return one if count == 1 else many
