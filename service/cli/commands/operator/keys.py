"""Commands about API keys: keys new."""

import os
from pathlib import Path
from typing import Annotated

import typer

from service.auth.key import key_sha256, new_key
from service.cli.console import data, say
from service.cli.exits import Exit, Stop, unwritable
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.wire.names import KEY_NAME

NEW_LINE = "\n"

app = typer.Typer(help="Make API keys.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def _keys() -> None:
    """Make API keys."""


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is, as the server will know it.")],
    append: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add the line to this keys file instead of printing it."),
    ] = None,
    json: Json = None,
) -> None:
    """Print a new key, once, and the name:sha256 line that the server keeps of it."""
    key = new_key()
    try:
        line = f"{KEY_NAME.check(name)}:{key_sha256(key)}"
    except ValueError as error:
        raise Stop(Exit.USAGE, f"the name of a key {error}") from None
    if append is not None:
        _append(append, line)
    if json is not None and str(json) != "-" and not json.exists():
        json.touch(mode=0o600)  # it will hold the key
    shown = [key] if append is not None else [key, line]
    answer(json, {"name": name, "key": key, "line": line}, lambda: data("\n".join(shown)))
    if append is None and str(json) != "-":
        say("The first line is the key: keep it, it is not shown again (METAOPT_API_KEY).")
        say("The second belongs in the server's keys file (METAOPT_API_KEYS_FILE).")


def _append(path: Path, line: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "ab+") as file:
            file.seek(-min(1, file.seek(0, os.SEEK_END)), os.SEEK_END)
            ends = file.read(1) in (b"", b"\n")
            file.write(f"{'' if ends else NEW_LINE}{line}\n".encode())
    except OSError as error:
        raise unwritable(path, error) from None
