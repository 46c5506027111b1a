"""The connection to the server: METAOPT_URL and METAOPT_API_KEY."""

import os

from service.client.client import DEFAULT_URL, Client

PATIENCE_SECONDS = 20.0


def server_url() -> str:
    """Return where the server is said to be."""
    return os.environ.get("METAOPT_URL") or DEFAULT_URL


def connect(patience_seconds: float | None = None) -> Client:
    """Return a client of that server, which is patient unless told otherwise."""
    patience = PATIENCE_SECONDS if patience_seconds is None else patience_seconds
    key = os.environ.get("METAOPT_API_KEY") or None
    return Client(server_url(), key, patience_seconds=patience)
