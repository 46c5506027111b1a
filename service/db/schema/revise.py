"""Write a migration from what the models say and the chain does not: for developers.

    python -m service.db.schema.revise "Add what a trial costs"

The chain is run on an empty SQLite database, and the difference becomes the next revision; read
it before it is committed.
"""

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import Script

from service.database_url import sqlite_url
from service.db.engine import open_engine
from service.db.schema import migrate, revisions


def revise(title: str, folder: Path | None = None) -> Path:
    """Write the next revision and return its file.

    Args:
        title: One sentence, without its full stop.
        folder: Where to write it; None is beside the others.
    """
    number = f"{int(revisions.head()) + 1:04d}"
    with tempfile.TemporaryDirectory() as directory:
        url = sqlite_url(Path(directory) / "models.db")
        migrate.upgrade(url)
        engine = open_engine(url)
        try:
            written: list[Path] = []

            def step(config: Config) -> None:
                config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
                if folder is not None:
                    places = f"{revisions.VERSIONS}\n{folder}".replace("%", "%%")
                    config.set_main_option("version_locations", places)
                    config.set_main_option("path_separator", "newline")
                script = command.revision(
                    config,
                    title,
                    autogenerate=True,
                    rev_id=number,
                    version_path=None if folder is None else str(folder),
                )
                assert isinstance(script, Script)
                written.append(Path(script.path))

            migrate.run(engine, step)
        finally:
            engine.dispose()
    return written[0]


if __name__ == "__main__":
    print(revise(sys.argv[1]))
