"""The server that commands talk to: whether it answers, is ready, and with which slots."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from service.cli.connection import connect
from service.cli.findings.finding import Finding, Level
from service.cli.findings.lanes import Slow, slow_modules
from service.client.client import Client
from service.client.errors import ClientError, ServerRefused
from service.variables import variable

DEVICES = "docs/troubleshooting.md#devices, where its dispatcher runs"


class Server(NamedTuple):
    """What was found of the server.

    Args:
        url: Where it is, if commands use one: it answers, or METAOPT_URL names it.
        findings: What the doctor says of it.
    """

    url: str | None
    findings: list[Finding]


def ask_server() -> Server:
    """Ask the server for its readiness, once."""
    named = variable(os.environ, "METAOPT_URL") is not None
    try:
        with connect() as client:
            url = client.url
            return Server(url, [*_ready(url, client.checks()), *_slow(url, client)])
    except ServerRefused as error:
        problem = error.problem
        remedy = "METAOPT_API_KEY" if problem.code == "unauthenticated" else ""
        refusal = Finding(Level.FAIL, "server", f"{url}: {problem.detail}", remedy)
        return Server(url, [refusal])
    except ClientError as error:
        level = Level.FAIL if named else Level.WARN
        finding = Finding(level, "server", str(error), "metaopt serve, or METAOPT_URL")
        return Server(variable(os.environ, "METAOPT_URL"), [finding])


def _slow(url: str, client: Client) -> Iterator[Finding]:
    """Modules of which its workers found that they cannot be mapped."""
    listed = client.plugins.there()
    slow = (Slow(one.name, one.lane_by_lane) for one in listed if one.lane_by_lane is not None)
    yield from slow_modules(url, slow)


def _ready(url: str, checks: dict[str, str]) -> Iterator[Finding]:
    slots = f" and {checks['slots']}" if "slots" in checks else ""
    yield Finding(Level.OK, "server", f"{url} is ready, with a live dispatcher{slots}")
    if "plugins" in checks:
        yield Finding(Level.WARN, "plugins", f"{url}: {checks['plugins']}", "metaopt plugins")
    if "devices" in checks:
        yield Finding(Level.WARN, "server", f"{url}: {checks['devices']}", DEVICES)
