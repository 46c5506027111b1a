"""Episodes: tasks whose support and query sets are given, with numbers to predict or classes.

    support_x (T, S, …)   query_x (T, Q, …)     inputs; … is nothing, features, or (C, H, W)
    support_y (T, S, …)   query_y (T, Q, …)     floats to predict; … is nothing, or how many; or
                                                whole numbers: classes 0, 1, … of every task
    split     (T,)                              train, validation, test, or 0, 1, 2; or left out

    Of tasks of different length all examples lie in one row of arrays, (N, …), and
    support_offsets (T + 1,)  query_offsets     say that task t has those from o[t] to o[t + 1].

Images (C, H, W) of uint8 stay bytes; everything else becomes float32.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from metaopt.data.groups import SPLIT_WORDS, SPLITS, Meaning, check_groups, pack
from metaopt.data.groups import Key as GroupKey
from metaopt.data.limits import MOST_LABELS, check_bytes
from metaopt.data.manifest import Group
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.readers.array_files import Arrays, read_npz, read_safetensors
from metaopt.errors import InvalidData
from metaopt.messages import shown

NEEDED = ("support_x", "support_y", "query_x", "query_y")
WANTED = (*NEEDED, "support_offsets", "query_offsets", "split")


class Side(NamedTuple):
    """The support sets of all tasks, or the query sets.

    Args:
        x: (N, *input_shape).
        y: (N, outputs) float32; or (N,) int64, of classes.
        counts: (T,), examples of each task, which lie one after the other.
    """

    x: NDArray[Any]
    y: NDArray[Any]
    counts: NDArray[Any]


def read_npz_file(path: Path, packing: Packing) -> Packed:
    """Pack the episodes of an .npz file.

    Raises:
        InvalidData: As `packed`, or it is none.
    """
    return packed(read_npz(path, WANTED), path, packing)


def read_safetensors_file(path: Path, packing: Packing) -> Packed:
    """Pack the episodes of a safetensors file.

    Raises:
        InvalidData: As `packed`, or it is none.
    """
    return packed(read_safetensors(path, WANTED), path, packing)


def packed(arrays: Arrays, path: Path, packing: Packing) -> Packed:
    """Pack episodes.

    Raises:
        InvalidData: Arrays are missing, do not fit each other, or hold what is no number.
    """
    import numpy as np

    packing.only("episodes")
    lacking = [name for name in NEEDED if name not in arrays]
    if lacking:
        raise InvalidData(f"{path} must hold {', '.join(NEEDED)}, and lacks {', '.join(lacking)}")
    check_bytes(sum(4 * arrays[name].size for name in NEEDED), "take fewer tasks")
    support, query = _side(arrays, "support"), _side(arrays, "query")
    _check_alike(support, query)
    splits = _splits(arrays, len(support.counts))
    if support.y.ndim == 1:
        return _labelled(support, query, splits, packing)
    rows = _interleaved(support.counts, query.counts)
    x = np.concatenate([support.x, query.x])[rows]
    y = np.concatenate([support.y, query.y])[rows]
    groups = tuple(
        Group(str(task), int(s + q), split, int(s))
        for task, (s, q, split) in enumerate(zip(support.counts, query.counts, splits, strict=True))
    )
    meaning = Meaning("episodes", "number", {}, packing.licence)
    check_groups(meaning, [GroupKey(group.name, group.split) for group in groups])
    return pack(meaning, x, y, groups, ())


def _labelled(support: Side, query: Side, splits: Sequence[str | None], packing: Packing) -> Packed:
    """Pack episodes of classes: task by task, class by class, support first."""
    import numpy as np

    tasks, classes = len(splits), int(max(support.y.max(), query.y.max())) + 1
    if classes < 2:
        raise InvalidData("two classes are the least, support_y and query_y hold 0 alone")
    task = np.concatenate([np.repeat(np.arange(tasks), side.counts) for side in (support, query)])
    label = np.concatenate([support.y, query.y])
    counts, supports = (
        np.bincount(task[:n] * classes + label[:n], minlength=tasks * classes)
        .reshape(tasks, classes)
        .tolist()
        for n in (len(label), len(support.y))
    )
    groups = tuple(
        Group(str(i), sum(counts[i]), split, None, tuple(counts[i]), tuple(supports[i]))
        for i, split in enumerate(splits)
    )
    names = tuple(map(str, range(classes)))
    meaning = Meaning("episodes", "label", {}, packing.licence, targets=names)
    check_groups(meaning, [GroupKey(group.name, group.split) for group in groups])
    x = np.concatenate([support.x, query.x])[np.lexsort((label, task))]
    return pack(meaning, x, None, groups, ())


def _side(arrays: Arrays, name: str) -> Side:
    """One side's examples in a row, and how many each task has."""
    import numpy as np

    x, y = arrays[f"{name}_x"], arrays[f"{name}_y"]
    offsets = arrays.get(f"{name}_offsets")
    if offsets is None:
        if x.ndim < 2 or y.shape[:2] != x.shape[:2]:
            raise InvalidData(
                f"{name}_x and {name}_y must be (tasks, examples, …) alike, are {x.shape} and "
                f"{y.shape}; tasks of different length need {name}_offsets"
            )
        tasks, each = x.shape[:2]
        counts = np.full(tasks, each)
        x, y = (side.reshape(tasks * each, *side.shape[2:]) for side in (x, y))
    else:
        counts = _counts(offsets, name, len(x) if x.ndim else 0)
        if x.ndim < 1 or y.shape[:1] != x.shape[:1]:
            raise InvalidData(f"{name}_x has {len(x)} examples and {name}_y {y.shape[:1]}")
    if len(counts) == 0 or counts.min() < 1:
        task = int(counts.argmin()) if len(counts) else 0
        raise InvalidData(f"task {task} has no {name} examples: each needs one or more")
    return Side(_inputs(x, f"{name}_x"), _targets(y, f"{name}_y"), counts)


def _counts(offsets: NDArray[Any], name: str, examples: int) -> NDArray[Any]:
    import numpy as np

    is_whole = offsets.ndim == 1 and offsets.dtype.kind in "iu" and len(offsets) > 1
    whole = offsets.astype(np.int64) if is_whole else offsets
    if not is_whole or whole[0] != 0 or whole[-1] != examples or (np.diff(whole) < 0).any():
        raise InvalidData(
            f"{name}_offsets must be whole numbers that rise from 0 to the {examples} examples of "
            f"{name}_x, one more than tasks, got {shown(offsets.tolist())}"
        )
    return np.diff(whole)


def _inputs(x: NDArray[Any], name: str) -> NDArray[Any]:
    import numpy as np

    x = x[:, None] if x.ndim == 1 else x
    if x.ndim not in (2, 4) or 0 in x.shape:
        raise InvalidData(
            f"an input of {name} must be a number, features, or an image (channels, height, "
            f"width), is of shape {x.shape[1:]}"
        )
    return x if x.ndim == 4 and x.dtype == np.uint8 else _floats(x, name)


def _targets(y: NDArray[Any], name: str) -> NDArray[Any]:
    if y.ndim == 1 and y.dtype.kind in "iu":
        return _classes(y, name)
    y = y[:, None] if y.ndim == 1 else y
    if y.ndim != 2 or y.shape[1] == 0:
        raise InvalidData(f"a target of {name} must be a number or several, is {y.shape[1:]}")
    if y.dtype.kind in "iub":
        raise InvalidData(
            f"{name} holds {y.dtype}: numbers to predict must be floats, and classes one whole "
            "number for each example"
        )
    return _floats(y, name)


def _classes(y: NDArray[Any], name: str) -> NDArray[Any]:
    import numpy as np

    if y.min() < 0 or y.max() >= MOST_LABELS:
        wrong = y[(y < 0) | (y >= MOST_LABELS)][0]
        raise InvalidData(
            f"{name} must number the classes of a task from 0 to at most {MOST_LABELS - 1}, has "
            f"{wrong}; numbers to predict must be floats"
        )
    return y.astype(np.int64)


def _floats(array: NDArray[Any], name: str) -> NDArray[Any]:
    import numpy as np

    if array.dtype.kind not in "iubf":
        raise InvalidData(f"{name} must hold numbers, holds {array.dtype}")
    with np.errstate(over="ignore"):
        small = array.astype(np.float32)
    finite = np.isfinite(small)
    if not finite.all():
        place = np.unravel_index(int(np.argmin(finite)), small.shape)
        raise InvalidData(
            f"{name} has {array[place]} in its example {int(place[0])}: numbers must be finite "
            "and below 3.4e38"
        )
    return small


def _check_alike(support: Side, query: Side) -> None:
    """Refuse sides that are no tasks together.

    Raises:
        InvalidData: Other tasks, shapes or types.
    """
    if len(support.counts) != len(query.counts):
        raise InvalidData(
            f"support has {len(support.counts)} tasks and query {len(query.counts)}: as many of one"
        )
    for axis, one, other in (("x", support.x, query.x), ("y", support.y, query.y)):
        if one.shape[1:] != other.shape[1:] or one.dtype != other.dtype:
            raise InvalidData(
                f"support_{axis} is {one.dtype} of shape {one.shape[1:]} and query_{axis} "
                f"{other.dtype} of {other.shape[1:]}: both must be the same"
            )


def _splits(arrays: Arrays, tasks: int) -> list[str | None]:
    given = arrays.get("split")
    if given is None:
        return [None] * tasks
    if given.shape != (tasks,):
        raise InvalidData(f"split must be of shape ({tasks},), one for each task, is {given.shape}")
    numbers: dict[Any, str] = dict(enumerate(SPLITS))
    found: list[str | None] = []
    for value in given.tolist():
        word = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        split = SPLIT_WORDS.get(word.lower()) if isinstance(word, str) else numbers.get(word)
        if split is None:
            raise InvalidData(
                f"split must be train, validation or test (or 0, 1, 2), got {shown(word)}"
            )
        found.append(split)
    return found


def _interleaved(support: NDArray[Any], query: NDArray[Any]) -> NDArray[Any]:
    """The rows of (all support, all query) task by task, support first."""
    import numpy as np

    tasks = np.arange(len(support))
    task = np.concatenate([np.repeat(tasks, support), np.repeat(tasks, query)])
    return np.argsort(task, kind="stable")
