"""The connection to the server: METAOPT_URL and METAOPT_API_KEY."""

import os

from service.client.client import DEFAULT_URL, Client


def server_url() -> str:
    """Return where the server is said to be."""
    return os.environ.get("METAOPT_URL") or DEFAULT_URL


def connect(patience_seconds: float = 20.0) -> Client:
    """Return a client of that server."""
    key = os.environ.get("METAOPT_API_KEY") or None
    return Client(server_url(), key, patience_seconds=patience_seconds)
