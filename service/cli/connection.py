"""The connection to the server: METAOPT_URL and METAOPT_API_KEY."""

import os

from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from service.cli.console import say
from service.cli.exits import Exit, Stop
from service.client.client import DEFAULT_URL, Client

ONCE_SECONDS = 2.0  # somebody sits before the terminal
FOLLOWING_SECONDS = 60.0  # a server that is restarted is no reason to give up a long wait
TOLD_RETRY = 3


def server_url() -> str:
    """Return where the server is said to be.

    Raises:
        Stop: METAOPT_URL is no URL.
    """
    url = os.environ.get("METAOPT_URL") or DEFAULT_URL
    if not url.startswith(("http://", "https://")):
        raise Stop(Exit.USAGE, f"METAOPT_URL must begin with http:// or https://, got {url!r}")
    return url


def connect(patience_seconds: float = ONCE_SECONDS) -> Client:
    """Return a client of that server, which asks again for so long if nobody answers."""
    key = os.environ.get("METAOPT_API_KEY") or None
    return Client(server_url(), key, patience_seconds=patience_seconds)


def tell_of_retries() -> None:
    """Have calls that are repeated said on stderr; otherwise they are logged to stdout."""
    set_on_retry_hooks([_tell])


def _tell(details: RetryDetails) -> None:
    if details.retry_num == TOLD_RETRY:
        say(f"{details.caused_by}; trying again")
