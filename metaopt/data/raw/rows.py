"""Rows of a CSV file to adapt to or to predict: columns by their names, whatever their order.

features   those of the data that the model was trained on; a column of words becomes its features
class      the same column as there, or the numbers to predict; a query set needs neither
header     a file without one has the features in their order, then the class or the numbers
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from metaopt.data.columns import Column, Numbers, Words, is_number
from metaopt.data.raw.given import Given
from metaopt.data.raw.preparation import Preparation
from metaopt.data.readers.csv_file import read_columns
from metaopt.data.roles import Roles
from metaopt.errors import InvalidData
from metaopt.messages import did_you_mean, shown


class _Unnamed(Exception):
    """The file has no names of columns, after all."""


def read_rows(path: Path, preparation: Preparation, *, outputs: int) -> Given:
    """The rows of a CSV file, as the model's data were packed.

    Args:
        preparation: Of a table or of texts.
        outputs: Numbers to predict; 0 where there are classes.

    Raises:
        InvalidData: It is no such file, lacks a column, or has a cell that does not fit.
    """
    if preparation.kind == "text":
        return _texts(path, preparation)
    sources: dict[str, str] = {}

    def roles(names: Sequence[str], has_header: bool) -> Roles:
        if has_header and all(map(is_number, names)):
            raise _Unnamed  # a single row of numbers looks like a row of names
        found = _roles(names, has_header, preparation, outputs)
        sources.update(zip(preparation.features or found.features, found.features, strict=True))
        unique = tuple(dict.fromkeys(found.features))
        return Roles(found.group, found.targets, features=unique)

    try:
        read, columns, count = read_columns(path, roles)
    except _Unnamed:
        read, columns, count = read_columns(path, roles, "no")
    if not count:
        raise InvalidData(f"{path} has no rows below the names of its columns")
    _check_words(columns, preparation.features)
    x = _side_by_side([_feature(name, columns[source]) for name, source in sources.items()])
    y = _side_by_side([_numbers(columns[name]) for name in read.targets]) if read.targets else None
    return Given(x, _words(columns[read.group]) if read.group else None, y)


def _texts(path: Path, preparation: Preparation) -> Given:
    text, group = (str(preparation.packing.get(name, name)) for name in ("text", "class"))

    def roles(names: Sequence[str], _: bool) -> Roles:
        if text not in names:
            raise _no_column(text, names, (text,))
        return Roles(group if group in names else "", text=text)

    read, columns, count = read_columns(path, roles)
    if not count:
        raise InvalidData(f"{path} has no rows below the names of its columns")
    return Given(_words(columns[text]), _words(columns[group]) if read.group else None)


def _roles(names: Sequence[str], has_header: bool, preparation: Preparation, outputs: int) -> Roles:
    """What columns are for; `features` has the source of each feature, so one may come again."""
    features, targets = preparation.features, preparation.targets if outputs else ()
    group = "" if outputs else str(preparation.packing.get("class", ""))
    sources = [_source(feature, names) for feature in features]
    if not has_header and (not features or None in sources):
        return _by_place(names, len(features) or len(preparation.inputs.mean), outputs)
    for feature, source in zip(features, sources, strict=True):
        if source is None:
            raise _no_column(feature, names, features)
    there = [name for name in targets if name in names]
    return Roles(
        group if group in names else "",
        tuple(there) if len(there) == len(targets) else (),
        features=tuple(source for source in sources if source is not None),
    )


def _by_place(names: Sequence[str], features: int, outputs: int) -> Roles:
    after = outputs or 1
    if len(names) not in (features, features + after):
        what = f"{outputs} number(s) to predict" if outputs else "the class"
        raise InvalidData(
            f"a row must have {features} inputs, and after them {what} if it is known; got "
            f"{len(names)} columns without names"
        )
    rest = tuple(names[features:])
    return Roles(
        rest[0] if rest and not outputs else "",
        rest if outputs else (),
        features=tuple(names[:features]),
    )


def _source(feature: str, names: Sequence[str]) -> str | None:
    """The column that a feature is, or whose word it is."""
    if feature in names:
        return feature
    places = [place for place, letter in enumerate(feature) if letter == "="]
    return next((feature[:place] for place in places if feature[:place] in names), None)


def _feature(name: str, column: Column) -> Any:
    """Values of a feature (rows,)."""
    import numpy as np

    if name == column.name or "=" not in name:
        return _numbers(column)
    if isinstance(column, Numbers):
        raise InvalidData(f"column {shown(column.name)} has numbers, the model knows words there")
    codes, word = column.codes(), name[len(column.name) + 1 :]
    place = column.words.index(word) if word in column.words else -1
    return (codes == place).astype(np.float32)


def _check_words(columns: Mapping[str, Column], features: Sequence[str]) -> None:
    """Refuse a word that is none of the model's features.

    Raises:
        InvalidData: There is one.
    """
    for name, column in columns.items():
        known = [f[len(name) + 1 :] for f in features if f.startswith(f"{name}=")]
        if isinstance(column, Words) and known:
            for word in column.words:
                if word not in known:
                    raise InvalidData(
                        f"column {shown(name)} has {shown(word)}, which was not in the data that "
                        f"the model was trained on: it knows {', '.join(known)}"
                    )


def _numbers(column: Column) -> Any:
    if isinstance(column, Words):
        raise InvalidData(
            f"column {shown(column.name)} must have numbers, has {shown(column.words[0])}"
        )
    return column.values()


def _words(column: Column) -> list[str]:
    assert isinstance(column, Words)
    return [column.words[code] for code in column.codes().tolist()]


def _side_by_side(columns: Sequence[Any]) -> Any:
    import numpy as np

    return np.stack(columns, axis=1)


def _no_column(name: str, names: Sequence[str], wanted: Sequence[str]) -> InvalidData:
    meant = did_you_mean(name, names)
    few = ", ".join(shown(one) for one in wanted[:8]) + (", …" if len(wanted) > 8 else "")
    return InvalidData(f"there is no column {shown(name)}{meant}; the model takes {few}")
