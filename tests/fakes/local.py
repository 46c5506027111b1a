"""An in-process client that asks by a name of this machine, as a server without keys demands."""

from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

LOCAL = "http://localhost"


def local_client(app: FastAPI, **options: Any) -> TestClient:
    """Return a client of the application, whose own name (`testserver`) no server answers to."""
    return TestClient(app, LOCAL, **options)
