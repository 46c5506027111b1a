"""Commands about API keys: create, list, rotate, revoke, in the database; new, for a keys file."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from service.auth.identity import Scope
from service.auth.key import key_sha256, new_key
from service.cli.console import data, say, table
from service.cli.exits import Exit, Stop, unwritable
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.default_project import DEFAULT_PROJECT
from service.output_file import descriptor_of
from service.wire.names import KEY_NAME, PROJECT_NAME, NameRule

NEW_LINE = "\n"
EVERY = "*"

Name = Annotated[str, typer.Argument(help="Name or id of the key.")]

app = typer.Typer(
    help="Make, rotate and revoke API keys.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def _keys() -> None:
    """Make, rotate and revoke API keys."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is, as the server will know it.")],
    scope: Annotated[
        list[Scope] | None,
        typer.Option(
            help="What it may do: read; submit, which includes it; admin, which includes both; "
            "worker. May be given again; default submit."
        ),
    ] = None,
    project: Annotated[
        list[str] | None,
        typer.Option(
            help="Whose things it is for, and no others; may be given again, the first is where "
            f"it is at work unless it asks otherwise. '{EVERY}' is every project; default "
            f"{DEFAULT_PROJECT}."
        ),
    ] = None,
    days: Annotated[
        float | None, typer.Option(min=0.0, max=36500.0, help="It expires after so many days.")
    ] = None,
    json: Json = None,
) -> None:
    """Make a key in the server's database, and print it, once."""
    from service.cli.commands.operator import stored_keys  # `new` does without a database

    _hide(json)
    name, key = _checked(KEY_NAME, name, "the name of a key"), new_key()
    scopes = list(dict.fromkeys(scope or [Scope.SUBMIT]))
    projects = _projects(project or [DEFAULT_PROJECT])
    lasts = None if days is None else timedelta(days=days)
    stored_keys.create(name, key, scopes, projects, lasts)
    _show_once(json, name, key)


@app.command("list")
def show(json: Json = None) -> None:
    """List the keys in the database: never their secrets."""
    from service.cli.commands.operator import stored_keys

    rows = stored_keys.listed()
    header = list(_in_words(rows[0])) if rows else []
    shown: Callable[[], None] = (
        (lambda: table("", header, [list(_in_words(row).values()) for row in rows]))
        if rows
        else (lambda: say("There is none: `metaopt keys create NAME` makes one."))
    )
    answer(json, rows, shown)


@app.command()
def rotate(
    name: Name,
    grace_hours: Annotated[
        float,
        typer.Option(
            min=0.0, max=8760.0, help="The secret of before stays valid so long; 0 ends it at once."
        ),
    ] = 24.0,
    json: Json = None,
) -> None:
    """Give a key a new secret, and print it, once; its name, scopes and projects stay."""
    from service.cli.commands.operator import stored_keys

    _hide(json)
    secret = new_key()
    name = stored_keys.rotate(name, secret, timedelta(hours=grace_hours))
    _show_once(json, name, secret)
    if grace_hours:
        say(f"The secret of before is valid for another {grace_hours:g} h.")


@app.command()
def revoke(name: Name, json: Json = None) -> None:
    """End a key: within a second nobody comes in with it, and its browsers are logged out."""
    from service.cli.commands.operator import stored_keys

    stored_keys.revoke(name)
    answer(json, {"revoked": name}, lambda: say(f"revoked {name}"))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose key it is, as the server will know it.")],
    append: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Add the line to this keys file instead of printing it."),
    ] = None,
    json: Json = None,
) -> None:
    """Print a new key, once, and its line for a keys file: it may do everything, everywhere."""
    _hide(json)
    key = new_key()
    line = f"{_checked(KEY_NAME, name, 'the name of a key')}:{key_sha256(key)}"
    if append is not None:
        _append(append, line)
    _private(json)
    shown = [key] if append is not None else [key, line]
    answer(json, {"name": name, "key": key, "line": line}, lambda: data("\n".join(shown)))
    if append is None and str(json) != "-":
        say("The first line is the key: keep it, it is not shown again (METAOPT_API_KEY).")
        say("The second belongs in the server's keys file (METAOPT_API_KEYS_FILE).")


def _show_once(json: Path | None, name: str, key: str) -> None:
    _private(json)
    answer(json, {"name": name, "key": key}, lambda: data(key))
    if str(json) != "-":
        say("Keep the key, it is not shown again (METAOPT_API_KEY).")


def _hide(json: Path | None) -> None:
    """Take a file that is there from the others who can read it, before a key is made."""
    if json is None or str(json) == "-" or descriptor_of(json) is not None:
        return
    try:
        if json.is_file() and json.stat().st_mode & 0o077:
            json.chmod(0o600)
    except OSError as error:
        raise unwritable(json, error) from None


def _private(json: Path | None) -> None:
    if json is not None and str(json) != "-" and not json.exists():
        json.touch(mode=0o600)  # it will hold the key


def _checked(rule: NameRule, name: str, what: str) -> str:
    try:
        return rule.check(name)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{what} {error}") from None


def _projects(named: list[str]) -> list[str] | None:
    if EVERY in named:
        return None
    return [_checked(PROJECT_NAME, name, "the name of a project") for name in dict.fromkeys(named)]


def _in_words(row: dict[str, Any]) -> dict[str, str]:
    return {
        name: ", ".join(value) if isinstance(value, list) else str(value or "never")
        for name, value in row.items()
    }


def _append(path: Path, line: str) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with open(descriptor, "ab+") as file:
            file.seek(-min(1, file.seek(0, os.SEEK_END)), os.SEEK_END)
            ends = file.read(1) in (b"", b"\n")
            file.write(f"{'' if ends else NEW_LINE}{line}\n".encode())
    except OSError as error:
        raise unwritable(path, error) from None
