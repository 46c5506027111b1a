"""What must hold before a server starts: its tables are there, its keys too where others come in.

What is wrong then stays wrong until somebody mends it; a server that started would answer every
request with it.
"""

from collections.abc import Callable, Sequence

from service.auth.bind import is_loopback
from service.auth.exposed import check_files
from service.auth.keys import KeyRing
from service.db.engine import open_engine
from service.db.schema import revisions
from service.errors import OpenToTheNetwork
from service.settings import Settings


def check_start(
    settings: Settings,
    monotonic: Callable[[], float] = lambda: 0.0,
    *,
    files: Sequence[str] = (),
) -> None:
    """Return if a server may start, and listen on `settings.host`.

    Args:
        files: Of Python, whose code it is to import.

    Raises:
        SchemaOutdated: The database needs `metaopt db upgrade` first.
        KeysUnreadable: The API keys file cannot be read.
        OpenToTheNetwork: The address is not loopback, and there is no API key, or a file is to be
            imported.
        SecretsExposed: Others on this machine can read secrets, or change who comes in.
    """
    check_files(settings)
    if files and not is_loopback(settings.host):
        raise OpenToTheNetwork(
            f"refusing to import {', '.join(files)} and listen on {settings.host}: --import is for "
            "a server of your own, on 127.0.0.1; for others install a package and allow it "
            "(METAOPT_PLUGINS, docs/plugins.md)"
        )
    engine = open_engine(settings.url())
    try:
        revisions.check(engine)
        keys = KeyRing(settings.api_keys_file, engine, monotonic).count()
    finally:
        engine.dispose()
    if keys == 0 and not is_loopback(settings.host):
        raise OpenToTheNetwork(
            f"refusing to listen on {settings.host} without API keys: anybody could use it; "
            "make one with `metaopt keys create NAME`, set METAOPT_API_KEYS_FILE (one name:sha256 "
            "a line), or listen on 127.0.0.1"
        )
