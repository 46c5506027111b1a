"""Columns of a table as they are read, chunk by chunk: of numbers, or of words.

What a column is follows from its first row, or from its role; after that a cell that does not fit
is refused with its place.  A number that is missing is refused, too: who knows the data fills it.
"""

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from metaopt.errors import InvalidData
from metaopt.messages import shown

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})
EXACT = 2**24
"""Whole numbers up to here are kept to the last digit by float32."""

Where = Callable[[int], str]
"""What a row of a chunk is called in messages, e.g. "line 17"."""


class Numbers:
    """A column of numbers, finite and present; kept as float32.

    Args:
        name: Of the column.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_rounded = False
        self._parts: list[NDArray[Any]] = []

    def add(self, values: NDArray[Any], where: Where) -> None:
        """Take up a chunk of float64.

        Raises:
            InvalidData: One is missing, infinite, or beyond what float32 holds.
        """
        import numpy as np

        with np.errstate(over="ignore"):
            small = values.astype(np.float32)
        if not np.isfinite(small).all():
            row = int(np.argmin(np.isfinite(small)))
            if np.isnan(values[row]):
                raise missing(self.name, where(row))
            raise InvalidData(
                f"column {shown(self.name)} has {values[row]:g} in {where(row)}, numbers must be "
                "finite and below 3.4e38"
            )
        large = np.abs(values) > EXACT
        self.is_rounded |= bool((large & (small != values) & (values == np.floor(values))).any())
        self._parts.append(small)

    def add_cells(self, cells: Sequence[str], where: Where) -> None:
        """Take up a chunk as it is written, with decimal points.

        Raises:
            InvalidData: As `add`, or one is no number.
        """
        import numpy as np

        try:
            if "_" in "".join(cells):  # Python takes 1_000 for a number
                raise ValueError
            values = np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            row = next(row for row, cell in enumerate(cells) if not is_number(cell))
            if cells[row].strip().lower() in MISSING:
                raise missing(self.name, where(row)) from None
            raise InvalidData(
                f"column {shown(self.name)} has {shown(cells[row])} in {where(row)} and numbers "
                "before: correct it, or leave the column out (without)"
            ) from None
        self.add(values, where)

    def values(self) -> NDArray[Any]:
        """All of them: (rows,) float32."""
        import numpy as np

        return np.concatenate(self._parts) if self._parts else np.empty(0, np.float32)


class Words:
    """A column of words, each different one kept once.

    Args:
        name: Of the column.
        most: Different ones that it may have.
        are_labels: Whether a number is as good a word as any, as for a class; else a number among
            words is a mistake.
    """

    def __init__(self, name: str, most: int, *, are_labels: bool) -> None:
        self.name = name
        self._most = most
        self._are_labels = are_labels
        self._codes: dict[str, int] = {}
        self._parts: list[NDArray[Any]] = []

    @property
    def words(self) -> list[str]:
        """The different ones, in the order in which they came."""
        return list(self._codes)

    def add_cells(self, cells: Sequence[str], where: Where) -> None:
        """Take up a chunk.

        Raises:
            InvalidData: One is missing or a number, or there are too many different ones.
        """
        import numpy as np

        codes = self._codes
        known = len(codes)
        chunk = [codes.setdefault(cell.strip(), len(codes)) for cell in cells]
        for word in self.words[known:]:
            if not word:
                raise missing(self.name, where(chunk.index(codes[word])))
            if not self._are_labels and is_number(word):
                raise InvalidData(
                    f"column {shown(self.name)} has {shown(word)} in "
                    f"{where(chunk.index(codes[word]))} and words before, such as "
                    f"{shown(self.words[0])}: correct it, or leave the column out (without)"
                )
        if len(codes) > self._most:
            raise InvalidData(
                f"column {shown(self.name)} has more than {self._most:,} different words, such as "
                f"{shown(self.words[0])}: leave it out (without); texts to learn from are kind text"
            )
        self._parts.append(np.array(chunk, np.int64))

    def codes(self) -> NDArray[Any]:
        """(rows,), the place of each row's word in `words`."""
        import numpy as np

        return np.concatenate(self._parts) if self._parts else np.empty(0, np.int64)


Column = Numbers | Words


def is_number(cell: str) -> bool:
    """Whether a cell is a number as it is written with a decimal point."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def missing(column: str, where: str) -> InvalidData:
    """How a value that is not there is told."""
    return InvalidData(
        f"column {shown(column)} has no value in {where}: fill it, remove the row, or leave the "
        "column out (without)"
    )
