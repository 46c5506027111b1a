"""Where the server may be reached: only from this machine, unless it has keys."""

import ipaddress
from collections.abc import Callable

from service.auth.keys import KeyRing
from service.db.engine import open_engine
from service.db.schema import migrate
from service.errors import OpenToTheNetwork
from service.settings import Settings


def check_bind(settings: Settings, monotonic: Callable[[], float] = lambda: 0.0) -> None:
    """Return if the server may listen on `settings.host`.

    Raises:
        OpenToTheNetwork: The address is not loopback, and there is no API key.
        KeysUnreadable: The API keys file cannot be read.
        SchemaOutdated: The database, which may have keys, needs `metaopt db upgrade` first.
    """
    if is_loopback(settings.host):
        return
    engine = open_engine(settings.url())
    try:
        migrate.check(engine)
        keys = KeyRing(settings.api_keys_file, engine, monotonic).count()
    finally:
        engine.dispose()
    if keys == 0:
        raise OpenToTheNetwork(
            f"refusing to listen on {settings.host} without API keys: anybody could use it; "
            "set METAOPT_API_KEYS_FILE (one name:sha256 a line), or listen on 127.0.0.1"
        )


def is_loopback(host: str) -> bool:
    """Tell whether a host name or address is this machine alone, whatever a resolver says."""
    name = host.strip("[]").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
