"""Tables as bytes, piece by piece: CSV, JSON and Parquet.

CSV (RFC 4180): empty is null; a text that a spreadsheet would take for a formula gets an
apostrophe before it, as OWASP advises.  JSON is an array of objects.  Parquet needs pyarrow.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from service.errors import FormatUnavailable
from service.wire.views.export import Format
from service.wire.words.instants import stamp

PIECE_RECORDS = 1000
GROUP_RECORDS = 50_000  # of a row group of Parquet: small ones compress badly
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Record = Sequence[Any]


class Column(NamedTuple):
    """A column: its name, and its kind: int, float, text, bool or instant."""

    name: str
    kind: str


def encode(columns: Sequence[Column], records: Iterable[Record], to: Format) -> Iterator[bytes]:
    """The table's bytes in pieces; nothing is taken from `records` before the first.

    Raises:
        FormatUnavailable: Parquet without pyarrow; at once, not at the first piece.
    """
    if to == "csv":
        return _csv(columns, iter(records))
    if to == "json":
        return _json(columns, iter(records))
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        raise FormatUnavailable(
            "format: parquet needs pyarrow where the server runs: pip install 'metaopt[parquet]'"
        ) from None
    return _parquet(columns, iter(records))


def plain_cell(value: Any) -> Any:
    """A value as CSV holds it: text that cannot be a formula, instants in ISO 8601."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_DANGEROUS) else value
    if isinstance(value, bool):
        return str(value).lower()
    return stamp(value) if isinstance(value, datetime) else value


def _csv(columns: Sequence[Column], records: Iterator[Record]) -> Iterator[bytes]:
    buffer = io.StringIO()
    write = csv.writer(buffer).writerow  # floats as repr: they come back as the same bits
    write([column.name for column in columns])
    yield _taken(buffer)
    while piece := list(islice(records, PIECE_RECORDS)):
        for record in piece:
            write([plain_cell(value) for value in record])
        yield _taken(buffer)


def _taken(buffer: io.StringIO) -> bytes:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text.encode()


def _json(columns: Sequence[Column], records: Iterator[Record]) -> Iterator[bytes]:
    names = [column.name for column in columns]
    opening = "[\n"
    while piece := list(islice(records, PIECE_RECORDS)):
        lines = [_object(names, record) for record in piece]
        yield (opening + ",\n".join(lines)).encode()
        opening = ",\n"
    yield b"[]\n" if opening == "[\n" else b"\n]\n"


def _object(names: Sequence[str], record: Record) -> str:
    document = dict(zip(names, record, strict=True))
    return json.dumps(document, ensure_ascii=False, allow_nan=False, default=stamp)


class _Sink(io.RawIOBase):
    """A file that is written and taken away piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._pieces.append(piece)
        self._written += len(piece)
        return len(piece)

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def _parquet(columns: Sequence[Column], records: Iterator[Record]) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    types = {
        "int": pa.int64(),
        "float": pa.float64(),
        "text": pa.string(),
        "bool": pa.bool_(),
        "instant": pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(column.name, types[column.kind]) for column in columns])
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while group := list(islice(records, GROUP_RECORDS)):
            arrays = [
                pa.array(values, type=field.type)
                for values, field in zip(zip(*group, strict=True), schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield sink.take()
    yield sink.take()
