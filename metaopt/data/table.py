"""A table in memory: its columns by name, whatever file they came from."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from numpy.typing import NDArray

from metaopt.data.columns import Column, Words
from metaopt.data.groups import SPLIT_WORDS, Key
from metaopt.data.limits import check_bytes
from metaopt.data.roles import Roles
from metaopt.errors import InvalidData
from metaopt.messages import shown


class Table(NamedTuple):
    """What was read of a table.

    Args:
        roles: What its columns are for.
        columns: By name, of all that have a role.
        keys: The groups that there are.
        of: (rows,), the place of each row's group in `keys`.
    """

    roles: Roles
    columns: Mapping[str, Column]
    keys: list[Key]
    of: NDArray[Any]

    @staticmethod
    def named(row: int) -> str:
        """What a row is called, whatever file it came from."""
        return f"row {row + 1}"

    def words(self, name: str) -> Words:
        """A column that has words by its role."""
        column = self.columns[name]
        assert isinstance(column, Words)
        return column

    def notices(self) -> list[str]:
        """What looks suspicious."""
        names = [name for name, one in self.columns.items() if getattr(one, "is_rounded", False)]
        return [
            f"column {shown(name)} has whole numbers beyond 16,777,216, of which the last digits "
            "are lost: subtract an offset, or scale it"
            for name in names
        ]


def table_of(roles: Roles, columns: Mapping[str, Column], rows: int) -> Table:
    """The table that columns make.

    Raises:
        InvalidData: It has no rows, or a split is none.
    """
    import numpy as np

    if rows == 0:
        raise InvalidData("the table has no rows below the names of its columns")
    group = columns[roles.group]
    assert isinstance(group, Words)
    if roles.split is None:
        return Table(roles, columns, [Key(w, None) for w in group.words], group.codes())
    split = columns[roles.split]
    assert isinstance(split, Words)
    words = [_split(word, roles.split) for word in split.words]
    names = sorted(set(words))
    codes = np.array([names.index(word) for word in words])[split.codes()]
    both, of = np.unique(group.codes() * len(names) + codes, return_inverse=True)
    keys = [Key(group.words[one // len(names)], names[one % len(names)]) for one in both.tolist()]
    return Table(roles, columns, keys, of)


def _split(word: str, column: str) -> str:
    split = SPLIT_WORDS.get(word.lower())
    if split is None:
        raise InvalidData(
            f"column {shown(column)} must say train, validation or test, got {shown(word)}: "
            "rename the column if it is no split"
        )
    return split


def check_size(rows: int, columns: Mapping[str, Column], roles: Roles) -> None:
    """Refuse a table that grows too large: a small file of Parquet may have any number of rows.

    Raises:
        InvalidData: What is kept of it would take more than a data set may.
    """
    wide = sum(
        len(one.words) if isinstance(one, Words) else 1
        for one in (columns[name] for name in (*roles.features, *roles.targets))
    )
    words = sum(isinstance(one, Words) for one in columns.values())
    check_bytes((4 * wide + 8 * words) * rows, "take fewer rows, or leave columns out (without)")
