"""Commands about the database: db upgrade, downgrade, current, backup, restore, prune."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from alembic.util import CommandError

from service.cli.commands.operator.backup import backup, restore
from service.cli.commands.operator.prune import prune
from service.cli.commands.server import settings_of, settings_with
from service.cli.console import data, say
from service.cli.exits import Exit, Stop
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.db.engine import open_engine
from service.db.schema import migrate, revisions

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
    say(f"the database is at revision {revisions.current(url)}")


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="Revision to go back to; base drops all.")],
) -> None:
    """Take our tables back to an older revision; what newer ones hold is lost."""
    url = settings_of().url()
    with _known_revision(revision):
        migrate.downgrade(url, revision)
    say(f"the database is at revision {revisions.current(url) or 'base'}")


@app.command()
def current(json: Json = None) -> None:
    """Print the revision the tables are at; base is none."""
    engine = open_engine(settings_of().url())
    try:
        revision, fault = revisions.current(engine.url) or "base", revisions.unknown(engine)
    finally:
        engine.dispose()
    document = {"revision": revision, "head": revisions.head()}
    answer(json, document, lambda: data(revision))
    if fault is not None:
        say(fault)


app.command()(backup)
app.command()(restore)
app.command()(prune)
