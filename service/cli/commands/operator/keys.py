"""Commands about API keys: create, list, rotate, revoke, in the database; new, for a keys file."""

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.orm import Session

from service.auth.identity import Scope
from service.auth.key import key_sha256, new_key
from service.cli.console import data, say, table
from service.cli.exits import Exit, Stop, unwritable
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.db.engine import open_engine, transaction
from service.db.schema import migrate
from service.db.tables import DEFAULT_PROJECT, ApiKey
from service.operations import api_keys
from service.settings import Settings
from service.wire.names import KEY_NAME, PROJECT_NAME, NameRule
from service.wire.words.instants import instant

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
    name, key, now = _checked(KEY_NAME, name, "the name of a key"), new_key(), _now()
    scopes = list(dict.fromkeys(scope or [Scope.SUBMIT]))
    projects = _projects(project or [DEFAULT_PROJECT])
    expires_at = None if days is None else now + timedelta(days=days)
    with _database() as session:
        api_keys.create_key(
            session,
            name,
            key_sha256(key),
            api_key_id=uuid.uuid4().hex,
            scopes=scopes,
            projects=projects,
            expires_at=expires_at,
            now=now,
        )
    _show_once(json, name, key)


@app.command("list")
def show(json: Json = None) -> None:
    """List the keys in the database: never their secrets."""
    with _database() as session:
        rows = [_listed(key, _now()) for key in api_keys.list_keys(session)]
    header = list(_listed_words(rows[0])) if rows else []
    shown: Callable[[], None] = (
        (lambda: table("", header, [list(_listed_words(row).values()) for row in rows]))
        if rows
        else (lambda: say("There is none: `metaopt keys create NAME` makes one."))
    )
    answer(json, {"keys": rows}, shown)


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
    secret = new_key()
    with _database() as session:
        key = api_keys.rotate_key(
            session, name, key_sha256(secret), grace=timedelta(hours=grace_hours), now=_now()
        )
        name = key.name
    _show_once(json, name, secret)
    if grace_hours:
        say(f"The secret of before is valid for another {grace_hours:g} h.")


@app.command()
def revoke(name: Name) -> None:
    """End a key: within a second nobody comes in with it, and its browsers are logged out."""
    with _database() as session:
        api_keys.revoke_key(session, name, now=_now())
    say(f"revoked {name}")


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


def _private(json: Path | None) -> None:
    if json is not None and str(json) != "-" and not json.exists():
        json.touch(mode=0o600)  # it will hold the key


@contextmanager
def _database() -> Iterator[Session]:
    engine = open_engine(Settings().url())
    try:
        migrate.check(engine)
        with transaction(engine) as session:
            yield session
    finally:
        engine.dispose()


def _now() -> datetime:
    return datetime.now(UTC)


def _checked(rule: NameRule, name: str, what: str) -> str:
    try:
        return rule.check(name)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"{what} {error}") from None


def _projects(named: list[str]) -> list[str] | None:
    if EVERY in named:
        return None
    return [_checked(PROJECT_NAME, name, "the name of a project") for name in dict.fromkeys(named)]


def _listed(key: ApiKey, now: datetime) -> dict[str, Any]:
    expired = key.expires_at is not None and key.expires_at <= now
    return {
        "api_key_id": key.api_key_id,
        "name": key.name,
        "status": "revoked" if key.revoked_at else "expired" if expired else "valid",
        "scopes": [str(scope) for scope in Scope] if key.scopes is None else key.scopes,
        "projects": [EVERY] if key.projects is None else key.projects,
        "created_at": instant(key.created_at),
        "expires_at": None if key.expires_at is None else instant(key.expires_at),
    }


def _listed_words(row: dict[str, Any]) -> dict[str, str]:
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
