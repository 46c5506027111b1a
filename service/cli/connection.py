"""The connection to the server: METAOPT_URL, METAOPT_API_KEY or METAOPT_API_KEY_FILE."""

from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from service.cli.console import say
from service.client.client import Client

ONCE_SECONDS = 2.0  # somebody sits before the terminal
FOLLOWING_SECONDS = 60.0  # a server that is restarted is no reason to give up a long wait
TOLD_RETRY = 3


def connect(patience_seconds: float = ONCE_SECONDS) -> Client:
    """A client of that server, which asks again for so long if nobody answers.

    Raises:
        NotConfigured: A variable cannot be used.
    """
    tell_of_retries()
    return Client.from_environment(patience_seconds=patience_seconds)


def tell_of_retries() -> None:
    """Have calls that are repeated said on stderr; otherwise they are logged to stdout."""
    set_on_retry_hooks([_tell])


def _tell(details: RetryDetails) -> None:
    if details.retry_num == TOLD_RETRY:
        say(f"{details.caused_by}; trying again")
