"""A table: its features are what is learned from, and a class or numbers are what is learned.

A feature column has numbers, or words: at most 32 different ones, each of which becomes a feature
that is 1 in its rows and 0 elsewhere, called `column=word`.
"""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from metaopt.data.columns import Words
from metaopt.data.groups import Meaning, grouped, natural
from metaopt.data.limits import check_bytes
from metaopt.data.manifest import Target
from metaopt.data.pack import Packed
from metaopt.data.packing import Packing
from metaopt.data.readers import csv_file, parquet
from metaopt.data.table import Table
from metaopt.errors import InvalidData
from metaopt.messages import shown


def read_csv(path: Path, packing: Packing) -> Packed:
    """Pack a CSV file.

    Raises:
        InvalidData: As `packed`, or it is none.
    """
    return packed(csv_file.read(path, packing, texts=False), packing)


def read_parquet(path: Path, packing: Packing) -> Packed:
    """Pack a Parquet file.

    Raises:
        InvalidData: As `packed`, or it is none.
    """
    return packed(parquet.read(path, packing, texts=False), packing)


def packed(table: Table, packing: Packing) -> Packed:
    """Pack a table.

    Raises:
        InvalidData: Too few classes or tasks, or a task of two splits.
    """
    roles = table.roles
    features, x = _matrix(table)
    y, of_label, targets = None, None, roles.targets
    target: Target = "class"
    if roles.targets:
        target = "number"
        y = _side_by_side([table.columns[name].values() for name in roles.targets])  # type: ignore[union-attr]
    if roles.label is not None:
        target = "label"
        targets, of_label = _labels(table.words(roles.label))
    if target != "class":
        _check_splits(table)
    meaning = Meaning("table", target, _packing(table), packing.licence, features, targets)
    notices = table.notices()
    return grouped(
        meaning, x, table.of, table.keys, named=table.named, y=y, labels=of_label, notices=notices
    )


def _labels(column: Words) -> tuple[tuple[str, ...], NDArray[Any]]:
    """The classes of a column in order, and the place of each row's."""
    import numpy as np

    names = sorted(column.words, key=natural)
    if len(names) < 2:
        raise InvalidData(
            f"two classes are the least, column {shown(column.name)} has {shown(names[0])} alone"
        )
    places = np.array([names.index(word) for word in column.words])
    return tuple(names), places[column.codes()]


def _packing(table: Table) -> dict[str, Any]:
    roles = table.roles
    has_tasks = bool(roles.targets) or roles.label is not None
    said = {"task" if has_tasks else "class": roles.group, "split": roles.split}
    if roles.label is not None:
        said["class"] = roles.label
    return {name: column for name, column in said.items() if column is not None}


def _matrix(table: Table) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Names of the features, and the features (rows, features) float32."""
    import numpy as np

    names: list[str] = []
    columns: list[NDArray[Any]] = []
    for name in table.roles.features:
        column = table.columns[name]
        if isinstance(column, Words):
            codes, words = column.codes(), column.words
            for word in sorted(words):
                names.append(f"{name}={word}")
                columns.append((codes == words.index(word)).astype(np.float32))
        else:
            names.append(name)
            columns.append(column.values())
    if len(set(names)) < len(names):
        raise InvalidData("two features have the same name once words are features: rename one")
    return tuple(names), _side_by_side(columns)


def _side_by_side(columns: list[NDArray[Any]]) -> NDArray[Any]:
    import numpy as np

    check_bytes(4 * len(columns) * len(columns[0]), "take fewer rows or columns")
    matrix = np.empty((len(columns[0]), len(columns)), np.float32)
    for place, column in enumerate(columns):
        matrix[:, place] = column
    return matrix


def _check_splits(table: Table) -> None:
    """Refuse a task whose rows are of several splits.

    Raises:
        InvalidData: There is one.
    """
    seen: set[str] = set()
    for key in table.keys:
        if key.name in seen:
            raise InvalidData(
                f"task {shown(key.name)} has rows of more than one split: a task is of one"
            )
        seen.add(key.name)
