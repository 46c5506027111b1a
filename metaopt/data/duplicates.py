"""Duplicates: equal examples, which make a task easier than it looks, or impossible.

    twice in a class      one may be support and the other query: the answer is known
    in two classes        no learner can tell them apart
    in two splits         what is tested was trained on

They are said and kept: real data have them, and their owner knows why.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any

from numpy.typing import NDArray


def duplicates(
    x: NDArray[Any],
    of: NDArray[Any],
    keys: Sequence[tuple[str, str | None]],
    named: Callable[[int], str],
) -> list[str]:
    """A sentence for each sort of duplicates, with the first pair of each.

    Args:
        x: (N, …).
        of: (N,), the place of each row's class in `keys`.
        keys: Name and split of each class.
        named: What a row is called, by its number.
    """
    first: dict[bytes, int] = {}
    pairs: dict[str, tuple[int, int]] = {}
    counts: Counter[str] = Counter()
    for row in range(len(x)):
        content = blake2b(x[row].tobytes(), digest_size=16).digest()
        before = first.setdefault(content, row)
        if before == row:
            continue
        sort = _sort(keys[of[before]], keys[of[row]])
        counts[sort] += 1
        pairs.setdefault(sort, (before, row))
    return [
        f"{counts[sort]:,} {'example equals' if counts[sort] == 1 else 'examples equal'} another "
        f"{where}: {named(pairs[sort][0])} and {named(pairs[sort][1])}"
        for sort, where in _WHERE.items()
        if sort in counts
    ]


_WHERE = {
    "class": "of the same class",
    "classes": "of another class",
    "splits": "of another split",
}


def _sort(one: tuple[str, str | None], other: tuple[str, str | None]) -> str:
    if one[1] != other[1]:
        return "splits"
    return "class" if one[0] == other[0] else "classes"
