"""CSV as people have it: RFC 4180 quotes; comma, semicolon or tab; UTF-8 or UTF-16 with a mark.

between cells   the first of tab, semicolon, comma that cuts the first rows into equally many
                cells, two or more
header          the first row, unless a number stands in it where the next row has one too, or
                the two look alike; then columns are column1, column2, …
decimal comma   only between semicolons or tabs, and then in every number that is not whole
"""

import codecs
import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TextIO

from metaopt.data.columns import Column, Numbers, is_number
from metaopt.data.files import told, unreadable
from metaopt.data.packing import Packing
from metaopt.data.roles import Roles, roles_of
from metaopt.data.table import Table, check_size, table_of
from metaopt.errors import InvalidData
from metaopt.messages import shown

SEPARATORS = ("\t", ";", ",")
CHUNK_ROWS = 8192
_SAMPLE_ROWS = 20
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Numbered = tuple[int, list[str]]
"""A row and the line that it ends on."""


def read(path: Path, packing: Packing, *, texts: bool) -> Table:
    """Read the columns of a file that have a role.

    Raises:
        InvalidData: It is no such file, or a cell breaks its rule.
    """

    def roles(names: Sequence[str], _: bool) -> Roles:
        if len(names) < 2:
            raise InvalidData(
                f"{path} has one column, a table has two or more, with commas, semicolons or tabs "
                "between them"
            )
        return roles_of(names, packing, texts=texts)

    return table_of(*read_columns(path, roles, packing.header))


def read_columns(
    path: Path, roles: Callable[[Sequence[str], bool], Roles], header: str = "auto"
) -> tuple[Roles, dict[str, Column], int]:
    """Read the columns that have a role, and how many rows they have.

    Args:
        roles: (names, whether the file has them) -> what each column is for.
        header: As `Packing.header`.

    Raises:
        InvalidData: It is no such file, or a cell breaks its rule.
    """
    try:
        encoding = _encoding(path)
        separator = _separator(path, encoding)
        with path.open(encoding=encoding, newline="") as file:
            return _with_roles(path, _rows(file, separator), separator, roles, header)
    except UnicodeError as error:
        raise InvalidData(f"{path} is not in UTF-8: {told(error)}; save it as UTF-8") from None
    except csv.Error as error:
        raise InvalidData(f"{path} is no CSV file: {error}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(4)
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")


def _separator(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline()
    for separator in SEPARATORS:
        with path.open(encoding=encoding, newline="") as file:
            try:
                sample = [row for _, row in islice(_rows(file, separator), _SAMPLE_ROWS)]
            except csv.Error:
                continue  # quotes that mean something between other cells
        if sample and len(sample[0]) > 1 and len({len(row) for row in sample}) == 1:
            return separator
    return max(reversed(SEPARATORS), key=first.count)  # a row is wrong, and will be named


def _rows(file: TextIO, separator: str) -> Iterator[Numbered]:
    reader = csv.reader(file, delimiter=separator, strict=True)
    for row in reader:
        if row:
            yield reader.line_num, row


def _with_roles(
    path: Path,
    rows: Iterator[Numbered],
    separator: str,
    roles_for: Callable[[Sequence[str], bool], Roles],
    header: str,
) -> tuple[Roles, dict[str, Column], int]:
    first = list(islice(rows, 2))
    if not first:
        raise InvalidData(f"{path} is empty")
    has_header = _has_header([row for _, row in first], separator, header)
    names = [name.strip() for name in first[0][1]]
    if not has_header:
        names = [f"column{place + 1}" for place in range(len(names))]
    roles = roles_for(names, has_header)
    columns, number = _columns(chain(first[has_header:], rows), names, roles, separator)
    return roles, columns, number


def _has_header(first: Sequence[Sequence[str]], separator: str, said: str) -> bool:
    if said != "auto":
        return said == "yes"
    are = [[_is_number(cell, separator) for cell in row] for row in first]
    if len(are) < 2 or not any(are[0]):
        return True
    return any(not one and other for one, other in zip(*are, strict=False))


def _is_number(cell: str, separator: str) -> bool:
    """Whether a cell is meant as a number, be it written as none should be."""
    if separator == ",":
        return is_number(cell)
    has_both = "," in cell and "." in cell
    return is_number(cell.replace("." if has_both else "", "").replace(",", "."))


def _columns(
    rows: Iterable[Numbered],
    names: Sequence[str],
    roles: Roles,
    separator: str,
) -> tuple[dict[str, Column], int]:
    """The columns, and how many rows they have."""
    number = 0
    columns: dict[str, Column] = {}
    places = {name: names.index(name) for name in roles.used}
    marks = _Marks(separator)
    rows = iter(rows)
    while chunk := list(islice(rows, CHUNK_ROWS)):
        for line, row in chunk:
            if len(row) != len(names):
                raise InvalidData(
                    f"line {line} has {len(row)} cells, the first row has {len(names)}: correct it"
                )
        where = _where([line for line, _ in chunk])
        cells = list(zip(*(row for _, row in chunk), strict=True))
        for name, place in places.items():
            if name not in columns:
                is_a_number = _is_number(cells[place][0], separator)
                if not is_a_number and not cells[place][0].strip():
                    is_a_number = True  # a missing value is told as one
                columns[name] = roles.column(name, is_number=is_a_number)
            column = columns[name]
            if isinstance(column, Numbers):
                column.add_cells(marks.with_points(cells[place], name, where), where)
            else:
                column.add_cells(cells[place], where)
        number += len(chunk)
        check_size(number, columns, roles)
    return columns, number


def _where(lines: Sequence[int]) -> Callable[[int], str]:
    return lambda row: f"line {lines[row]}"


class _Marks:
    """The decimal mark of a file: once a number has shown it, all others have the same."""

    def __init__(self, separator: str) -> None:
        self._mark = "." if separator == "," else None

    def with_points(
        self, cells: Sequence[str], name: str, where: Callable[[int], str]
    ) -> Sequence[str]:
        """The cells, each number with a decimal point.

        Raises:
            InvalidData: One has a comma, others in the file have points.
        """
        text = "".join(cells)
        if "," not in text and (self._mark == "." or "." not in text):
            return cells
        for row, cell in enumerate(cells):
            if "," in cell and "." in cell:
                raise InvalidData(
                    f"column {shown(name)} has {shown(cell)} in {where(row)}: write numbers "
                    "without marks between thousands"
                )
            for mark in ".,":
                if mark in cell and self._mark not in (None, mark):
                    raise InvalidData(
                        f"column {shown(name)} has {shown(cell)} in {where(row)}, and {self._way}"
                    )
                if mark in cell and self._mark is None:
                    self._mark = mark
        return [cell.replace(",", ".") for cell in cells]

    @property
    def _way(self) -> str:
        word = "point" if self._mark == "." else "comma"
        return f"numbers in this file have a decimal {word}: write all of them so"
