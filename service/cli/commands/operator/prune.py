"""The command db prune: clear now what the dispatcher clears now and then."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated

import typer

from service.cli.commands.server import settings_of
from service.cli.console import say, table
from service.cli.options import Json
from service.cli.outputs.answers import answer
from service.db.engine import open_engine
from service.db.schema import revisions
from service.retention.clearing import clear, count
from service.retention.files import Directories
from service.retention.rules import Keep


def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
    json: Json = None,
) -> None:
    """Clear what ended long ago, by the METAOPT_KEEP_… settings, while a server may be at work."""
    settings = settings_of()
    directories = Directories(settings.programs(), settings.data_directory.resolve() / "logs")
    keep, now = Keep.of(**settings.kept()), datetime.now(UTC)
    engine = open_engine(settings.url())
    try:
        revisions.check(engine)
        found = Counter(count(engine, directories, keep, now))
        if not dry_run:
            found = Counter(dict.fromkeys(found, 0))
            for piece in clear(engine, directories, keep, now):
                found[piece.what] += piece.amount
    finally:
        engine.dispose()
    done = "would go" if dry_run else "gone"
    rows = [(what, str(number)) for what, number in found.items()]
    answer(json, dict(found), lambda: table("", ("what", done), rows))
    if dry_run:
        say("nothing was changed; without --dry-run it goes")
