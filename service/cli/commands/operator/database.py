"""Commands about the database: db upgrade, db downgrade, db current, db backup."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from alembic.util import CommandError

from service.cli.commands.server import settings_of, settings_with
from service.cli.console import STDOUT, check_writable, data, raw_data, say, write_file
from service.cli.exits import Exit, Stop
from service.cli.options import Json, output_path
from service.cli.outputs.answers import answer
from service.db.engine import open_engine, snapshot
from service.db.schema import migrate
from service.output_file import is_same

PIECE_BYTES = 2**20

app = typer.Typer(
    help="Make, change and look at the database's tables.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@contextmanager
def _known_revision(revision: str) -> Iterator[None]:
    try:
        yield
    except CommandError:
        raise Stop(
            Exit.USAGE, f"there is no revision {revision!r}; use head, base or one of migrations/"
        ) from None


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Revision to go up to.")] = "head",
) -> None:
    """Bring the tables up to date, ours and Optuna's; safe to run any number of times."""
    url = settings_with().url()
    with _known_revision(revision):
        migrate.upgrade(url, revision)
    say(f"the database is at revision {migrate.current(url)}")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Revision to go back to; base drops all.")],
) -> None:
    """Take our tables back to an older revision; what newer ones hold is lost."""
    url = settings_of().url()
    with _known_revision(revision):
        migrate.downgrade(url, revision)
    say(f"the database is at revision {migrate.current(url) or 'base'}")


@app.command()
def current(json: Json = None) -> None:
    """Print the revision the tables are at; base is none."""
    engine = open_engine(settings_of().url())
    try:
        revision, fault = migrate.current(engine.url) or "base", migrate.unknown(engine)
    finally:
        engine.dispose()
    document = {"revision": revision, "head": migrate.head()}
    answer(json, document, lambda: data(revision))
    if fault is not None:
        say(fault)


@app.command()
def backup(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            parser=output_path,
            help="The copy; one that is there is replaced, - is stdout.",
        ),
    ],
) -> None:
    """Copy the SQLite database as it is at one moment, while a server may be at work on it."""
    engine = open_engine(settings_of().url())
    if engine.dialect.name != "sqlite":
        raise Stop(Exit.USAGE, "only SQLite is copied so: take pg_dump for PostgreSQL")
    _check_copy(file, Path(str(engine.url.database)))
    try:
        migrate.check(engine)
        with tempfile.TemporaryDirectory(prefix="metaopt-") as folder:
            copy = Path(folder) / "metaopt.db"
            snapshot(engine, copy)
            with copy.open("rb") as content:
                pieces = iter(partial(content.read, PIECE_BYTES), b"")
                if file == STDOUT:
                    raw_data(pieces)
                    return
                write_file(file, pieces)
    finally:
        engine.dispose()
    say(f"wrote {file}")


def _check_copy(file: Path, database: Path) -> None:
    """Refuse a copy that would take the place of a database at work: it would be lost or mixed up.

    Raises:
        Stop: It would, or it cannot be written.
    """
    if file == STDOUT:
        return
    if is_same(file, database):
        raise Stop(Exit.USAGE, f"{file} is the database itself: give the copy another name")
    log = Path(f"{os.path.realpath(file)}-wal")
    if log.exists():
        raise Stop(
            Exit.USAGE,
            f"{file} is a database in use, {log.name} stands beside it: give the copy another name",
        )
    check_writable(file)
