"""The doctor: what is installed, what is there, what is wrong, and what to do about it.

It ends with 0 if nothing fails, with 5 if all that fails is the server named by METAOPT_URL, and
with 2 otherwise.  Without METAOPT_URL a server that does not run is only worth a warning.
"""

from collections.abc import Callable, Iterable, Iterator

from service.cli.console import data, write_json
from service.cli.exits import Exit, Stop
from service.cli.findings.blobs import blobs
from service.cli.findings.finding import Finding, Level
from service.cli.findings.machine import compiler, installation, slots
from service.cli.findings.server import ask_server
from service.cli.findings.storage import storage, webhooks
from service.cli.options import Json


def doctor(json: Json = None) -> None:
    """Check this installation and the server, and say what to do about what is wrong."""
    here: list[Finding] = []
    server = ask_server()
    checks: list[Callable[[], Iterable[Finding]]] = [
        installation, slots, compiler, lambda: storage(server.url), blobs, webhooks,
    ]  # fmt: skip
    for check in checks:
        here += _said(check(), quiet=str(json) == "-")
    there = list(_said(server.findings, quiet=str(json) == "-"))
    write_json(json, [finding._asdict() for finding in (*here, *there)])
    code = exit_code(here, there)
    if code != Exit.DONE:
        raise Stop(code)


def exit_code(here: Iterable[Finding], server: Iterable[Finding]) -> Exit:
    """How the doctor ends, given what it found on this machine, and of the server."""
    if any(finding.level == Level.FAIL for finding in here):
        return Exit.USAGE
    failed = any(finding.level == Level.FAIL for finding in server)
    return Exit.UNREACHABLE if failed else Exit.DONE


def _said(findings: Iterable[Finding], *, quiet: bool) -> Iterator[Finding]:
    """The findings, each printed as soon as it is there."""
    for finding in findings:
        if not quiet:
            data(finding.line())
        yield finding
