"""Parquet, by pyarrow: the columns that have a role, chunk by chunk."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from metaopt.data.columns import Column, Numbers, missing
from metaopt.data.files import told, unreadable
from metaopt.data.packing import Packing
from metaopt.data.roles import roles_of
from metaopt.data.table import Table, check_size, table_of
from metaopt.errors import InvalidData
from metaopt.messages import shown

CHUNK_ROWS = 65_536


def read(path: Path, packing: Packing, *, texts: bool) -> Table:
    """Read the columns of a file that have a role.

    Raises:
        InvalidData: pyarrow is not installed, it is no such file, or a value breaks its rule.
    """
    try:
        import pyarrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ModuleNotFoundError:
        raise InvalidData(
            "reading Parquet needs pyarrow, which is not here: pip install 'metaopt[parquet]'"
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            return _table(file, packing, texts=texts)
    except InvalidData:
        raise
    except (pyarrow.ArrowException, UnicodeDecodeError) as error:
        raise InvalidData(f"{path} cannot be read as Parquet: {told(error)}") from None
    except OSError as error:
        raise unreadable(path, error) from None


def _table(file: Any, packing: Packing, *, texts: bool) -> Table:
    if packing.header != "auto":
        raise InvalidData("header has no meaning for Parquet: leave it out")
    types = {field.name: field.type for field in file.schema_arrow}
    roles = roles_of(list(file.schema_arrow.names), packing, texts=texts)
    columns: dict[str, Column] = {
        name: roles.column(name, is_number=_is_number(name, types[name])) for name in roles.used
    }
    rows = 0
    for batch in file.iter_batches(batch_size=CHUNK_ROWS, columns=list(roles.used)):
        where = _where(rows)
        for name, column in columns.items():
            _add(column, batch.column(name), where)
        rows += batch.num_rows
        check_size(rows, columns, roles)
    return table_of(roles, columns, rows)


def _where(before: int) -> Callable[[int], str]:
    return lambda row: f"row {before + row + 1}"


def _is_number(name: str, kind: Any) -> bool:
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    numbers = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
    if any(is_one(kind) for is_one in numbers):
        return True
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return False
    raise InvalidData(
        f"column {shown(name)} is of type {kind}, numbers and texts are read: leave it out "
        "(without), or convert it"
    )


def _add(column: Column, values: Any, where: Callable[[int], str]) -> None:
    if values.null_count:
        row = values.is_null().to_pylist().index(True)
        raise missing(column.name, where(row))
    if isinstance(column, Numbers):
        column.add(_numbers(values), where)
    else:
        column.add_cells([_word(value) for value in values.to_pylist()], where)


def _numbers(values: Any) -> NDArray[Any]:
    import numpy as np

    array = values.to_numpy(zero_copy_only=False)
    return np.asarray(array, np.float64)


def _word(value: Any) -> str:
    """A class as one writes it: a whole number without a point."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float | Decimal) and value == int(value):
        return str(int(value))
    return str(value)
