"""The command: `python -m service.invariants`, over a database, a data directory and a client log.

Exit codes: 0 nothing is wrong · 1 something is · 2 there is no such file or database.
"""

import argparse
import json
import sys
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from service.blobs.base import BlobsUnusable
from service.blobs.opening import open_blobs
from service.db.engine import open_engine
from service.db.schema import revisions
from service.errors import SchemaOutdated
from service.invariants.acknowledged import read_log
from service.invariants.check import Seen, check
from service.settings import Settings

EXIT_DONE, EXIT_VIOLATED, EXIT_UNUSABLE = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Print each violation as a line, or all as JSON; return the exit code."""
    given = _parser().parse_args(arguments)
    settings = Settings()
    engine = open_engine(settings.url())
    try:
        revisions.check(engine)
        acknowledged = read_log(given.client_log) if given.client_log else []
        blobs = open_blobs(settings.blobs())
        seen = Seen(settings.data_directory, acknowledged, given.snapshots, given.at_rest, blobs)
        verdict = check(engine, seen)
    except (DBAPIError, SchemaOutdated, BlobsUnusable, OSError, ValueError, RuntimeError) as error:
        print(f"error: {getattr(error, 'orig', None) or error}", file=sys.stderr)
        return EXIT_UNUSABLE
    finally:
        engine.dispose()
    if given.json:
        print(json.dumps(verdict.to_json(), indent=2))
    else:
        counted = f"{verdict.studies} studies, {verdict.trials} trials, {verdict.reports} reports"
        print(*verdict.violations, f"{counted}: {len(verdict.violations)} violations", sep="\n")
    return EXIT_DONE if verdict.passed else EXIT_VIOLATED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m service.invariants",
        description="Prove that nothing was lost, doubled or changed; METAOPT_DATA_DIRECTORY and "
        "METAOPT_DATABASE_URL say where. Nothing is written.",
    )
    parser.add_argument("--at-rest", action="store_true", help="nothing goes on any more")
    parser.add_argument("--client-log", type=Path, help="JSON lines: what clients were answered")
    parser.add_argument("--snapshots", type=Path, help="what had ended earlier in the run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
