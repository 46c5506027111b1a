"""What a command prints: data on stdout, everything else on stderr; and what it writes to files.

On a terminal tables are drawn by rich; elsewhere they are plain aligned lines, which grep and
awk can read and which never wrap.

A reader that has had enough is no error: the command goes on, and nobody reads it.  A stdout that
cannot be written is the machine's fault.  What cannot be said on stderr changes nothing.
"""

import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from service.cli.exits import unwritable
from service.cli.streams import encodable, is_reader_gone, silence
from service.output_file import check_output, output_file
from service.wire.characters import printable

Row = Sequence[str]
STDOUT = Path("-")


def say(message: str) -> None:
    """Print a sentence for the human, on stderr, or stay silent where nobody can be told."""
    try:
        print(printable(message), file=sys.stderr, flush=True)
    except OSError:
        silence(sys.stderr)


def data(text: str) -> None:
    """Print a line of data on stdout."""
    with _on_stdout():
        print(printable(text), flush=True)


def raw_data(pieces: Iterable[bytes]) -> None:
    """Print bytes on stdout as they come, as long as somebody reads."""
    with _on_stdout():
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


@contextmanager
def _on_stdout() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        silence(sys.stdout)
        if not is_reader_gone(error):
            raise unwritable("stdout", error) from None


def table(title: str, header: Row, rows: Sequence[Row]) -> None:
    """Print rows on stdout: drawn on a terminal, plain lines elsewhere."""
    if sys.stdout.isatty():
        _draw(title, header, rows)
    else:
        for line in plain_lines(title, header, rows):
            data(line)


def plain_lines(title: str, header: Row, rows: Sequence[Row]) -> list[str]:
    """The table as aligned lines, columns two spaces apart."""
    from rich.cells import cell_len  # what prints no table does without

    rows = [_cells(row) for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in (header, *rows)
    ]
    return [title, *lines] if title else lines


def width() -> int:
    """Columns of the terminal, or 80 elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def _draw(title: str, header: Row, rows: Sequence[Row]) -> None:
    from rich.console import Console  # a terminal alone needs it
    from rich.table import Table

    drawn = Table(title=title or None, title_justify="left", title_style="bold")
    for name in header:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        drawn.add_row(*_cells(row))
    with _on_stdout():
        Console(markup=False, emoji=False).print(drawn)


def _cells(row: Row) -> list[str]:
    return [encodable(printable(cell, keep=""), sys.stdout) for cell in row]


def check_writable(path: Path | None) -> None:
    """Make sure that a file can be written, before there is anything to write.

    Raises:
        Stop: It cannot.
    """
    if path is None or path == STDOUT:
        return
    try:
        check_output(path)
    except OSError as error:
        raise unwritable(path, error) from None


def write_json(path: Path | None, document: Any) -> None:
    """Write `document` to `path` if one is given; `-` is stdout."""
    if path == STDOUT:
        data(json_text(document, sys.stdout.encoding))
    elif path is not None:
        write_file(path, [(json_text(document, "utf-8") + "\n").encode()])


def json_text(document: Any, encoding: str | None, *, indent: int | None = 2) -> str:
    """`document` as JSON that an encoding has the characters for: else they are escaped as JSON."""
    text = json.dumps(document, indent=indent, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(encoding or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(document, indent=indent, allow_nan=False)
    return text


def write_text(path: Path, text: str) -> None:
    """Write a page to a file, in UTF-8 wherever it is read, and say so; `-` is stdout."""
    if path == STDOUT:
        data(text.rstrip("\n"))
        return
    write_file(path, [text.encode("utf-8", "backslashreplace")])
    say(f"wrote {path}")


def write_file(path: Path, pieces: Iterable[bytes]) -> None:
    """Write bytes to a file, whole or not at all where that is possible.

    Raises:
        Stop: It cannot be written.
    """
    try:
        with output_file(path) as file:
            for piece in pieces:
                file.write(piece)
    except OSError as error:
        raise unwritable(path, error) from None
