"""Tables as bytes."""

import csv
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest

from service.report.pages.tables import Column, encode, plain_cell
from service.wire.views.export import Format
from tests.fakes.rows import NOON

COLUMNS = [
    Column("number", "int"), Column("score", "float"), Column("cause", "text"),
    Column("transductive", "bool"), Column("at", "instant"),
]  # fmt: skip
RECORDS: list[list[Any]] = [
    [1, 0.1 + 0.2, 'says "no", twice\nand again', True, NOON],
    [2**60, None, None, False, None],
]


def whole(to: Format, records: list[list[Any]] = RECORDS) -> bytes:
    return b"".join(encode(COLUMNS, records, to))


def test_csv_comes_back_as_it_was() -> None:
    header, first, second = csv.reader(io.StringIO(whole("csv").decode(), newline=""))
    assert header == ["number", "score", "cause", "transductive", "at"]
    assert float(first[1]) == 0.1 + 0.2
    assert first[2] == 'says "no", twice\nand again'
    assert first[3:] == ["true", "2026-01-02T12:00:00Z"]
    assert second == [str(2**60), "", "", "false", ""]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_text_that_a_spreadsheet_would_compute_is_quoted(text: str) -> None:
    assert plain_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", [-1, -0.5, "plain", "a=b", None])
def test_numbers_and_plain_text_stay(value: Any) -> None:
    assert plain_cell(value) == value


def test_json_is_an_array_of_objects_also_when_empty() -> None:
    first, second = json.loads(whole("json"))
    assert first["cause"] == RECORDS[0][2] and first["at"] == "2026-01-02T12:00:00Z"
    assert second == {
        "number": 2**60, "score": None, "cause": None, "transductive": False, "at": None,
    }  # fmt: skip
    assert json.loads(whole("json", [])) == []


def test_parquet_has_types_and_comes_back_as_it_was() -> None:
    table = pq.read_table(io.BytesIO(whole("parquet")))
    assert [str(field.type) for field in table.schema] == [
        "int64", "double", "string", "bool", "timestamp[us, tz=UTC]",
    ]  # fmt: skip
    assert [list(row.values()) for row in table.to_pylist()] == RECORDS
    assert pq.read_table(io.BytesIO(whole("parquet", []))).num_rows == 0


@pytest.mark.parametrize("to", ["csv", "json", "parquet"])
def test_records_are_taken_as_the_bytes_are(to: Format) -> None:
    taken = 0

    def records() -> Iterator[list[Any]]:
        nonlocal taken
        for number in range(120_000):
            taken += 1
            yield [number, 0.5, "x", True, NOON]

    pieces = encode(COLUMNS, records(), to)
    next(pieces), next(pieces)
    assert taken <= 100_001


def test_parquet_without_pyarrow_names_the_extra_at_once() -> None:
    program = """
import sys
sys.modules["pyarrow"] = None  # as if it were not installed
from service.errors import FormatUnavailable
from service.report.pages.tables import encode
try:
    encode([], [], "parquet")
except FormatUnavailable as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'metaopt[parquet]'" in done.stdout, done.stderr
