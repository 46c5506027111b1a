"""What a command prints: data on stdout, everything else on stderr.

On a terminal tables are drawn by rich; elsewhere they are plain aligned lines, which grep and
awk can read and which never wrap.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from service.cli.exits import Exit, Stop

Row = Sequence[str]


def stderr() -> Console:
    """A console on the present stderr."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(message: str) -> None:
    """Print a sentence for the human, on stderr."""
    stderr().print(message, markup=False)


def data(text: str) -> None:
    """Print a line of data on stdout; a reader that has had enough is no error."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Stop(Exit.DONE) from None


def raw_data(pieces: Iterable[bytes]) -> None:
    """Print bytes on stdout as they come; a reader that has had enough is no error."""
    try:
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Stop(Exit.DONE) from None


def table(title: str, header: Row, rows: Sequence[Row]) -> None:
    """Print rows on stdout: drawn on a terminal, plain lines elsewhere."""
    if sys.stdout.isatty():
        _draw(title, header, rows)
    else:
        for line in plain_lines(title, header, rows):
            data(line)


def plain_lines(title: str, header: Row, rows: Sequence[Row]) -> list[str]:
    """The table as aligned lines, columns two spaces apart."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
    return [title, *lines] if title else lines


def width() -> int:
    """Columns of the terminal, or 80 elsewhere."""
    return Console().width if sys.stdout.isatty() else 80


def _draw(title: str, header: Row, rows: Sequence[Row]) -> None:
    drawn = Table(title=title or None, title_justify="left", title_style="bold")
    for name in header:
        drawn.add_column(name, overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    Console(markup=False).print(drawn)


def check_writable(path: Path | None) -> None:
    """Make sure that `write_json` will be able to write there.

    A file that was not there is not there afterwards: if nothing comes of the command, an empty
    report would be one that CI systems cannot read.

    Raises:
        Stop: the file cannot be opened for writing.
    """
    if path is None or str(path) == "-":
        return
    was_there = path.exists()
    try:
        path.open("a").close()
        if not was_there:
            path.unlink()
    except OSError as error:
        raise Stop(Exit.USAGE, f"{path} cannot be written: {error.strerror}") from None


def write_json(path: Path | None, document: Any) -> None:
    """Write `document` to `path` if one is given; `-` is stdout."""
    if path is None:
        return
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    if str(path) == "-":
        data(text)
    else:
        try:
            path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise Stop(Exit.USAGE, f"{path} cannot be written: {error.strerror}") from None
