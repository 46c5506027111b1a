"""Revisions are told from the names of files, and telling them loads nothing that upgrades."""

import subprocess
import sys

from alembic.config import Config
from alembic.script import ScriptDirectory

from service.db.schema import revisions

SERVERS = "service.app, service.daemon, service.cli.commands.server"


def test_the_names_of_the_files_are_the_chain_that_alembic_goes() -> None:
    config = Config()
    config.set_main_option("script_location", str(revisions.VERSIONS.parent))
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    chain = [script.revision for script in scripts]
    assert chain == sorted(chain, reverse=True) and chain[0] == revisions.head()
    assert all(map(revisions.is_known, chain))
    assert not revisions.is_known("9999")


def test_what_serves_begins_without_alembic_and_without_optuna() -> None:
    program = f"import sys, {SERVERS}; print(*{{'alembic', 'optuna'}} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (said.returncode, said.stdout.split()) == (0, []), said.stderr
