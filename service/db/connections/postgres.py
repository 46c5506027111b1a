"""Connections to PostgreSQL that wait no longer than they may, whatever the server does.

The server's own limits are set in each session; they end what waits for a lock, and a session whose
client has gone.  A server that is frozen, or a host that is lost, keeps no limit: there the client
stops waiting, and closes the connection.

A line may break without either end being told, as in a firewall that has forgotten it:

    client waits ──doubt──▶ asks on another connection: what does my session do?
                              works at it, or nobody knows  ──▶ waits on
                              idle: the line is broken      ──▶ the session is ended, with its locks
"""

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.errors import _WaitTimeout
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

from service.db.connections.deadlines import Deadlines

PROBES = 3  # of a silent connection, before it counts as lost
_INTERVAL = 0.1  # as psycopg's own: how often a wait looks for signals


class BoundedConnection(psycopg.Connection[Any]):
    """A connection on which nothing waits longer than `answer_seconds`; it is closed after that."""

    answer_seconds: float | None = None
    doubt_seconds: float | None = None
    dial: Callable[[], psycopg.Connection[Any]] | None = None
    is_new: bool = True

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        """Wait for the server.

        Raises:
            psycopg.OperationalError: It has said nothing for too long.
        """
        try:
            if timeout is not None:
                return super().wait(gen, interval, timeout)
            return self._wait(gen, interval)
        except _WaitTimeout as error:
            self.pgconn.finish()  # what the server does with it is not known any more
            raise psycopg.OperationalError("the database server does not answer") from error

    def _wait(self, gen: PQGen[RV], interval: float) -> RV:
        left, doubt = self.answer_seconds, self.doubt_seconds
        while doubt is not None and (left is None or left > doubt):
            try:
                return super().wait(gen, interval, doubt)
            except _WaitTimeout:
                if self._is_forgotten():
                    raise
            left = None if left is None else left - doubt
        return super().wait(gen, interval, left)

    def _is_forgotten(self) -> bool:
        """Whether the server has long been done with what we wait for; its session is ended then.

        Behind a pool of connections no session is found, and it may be at work.
        """
        assert self.dial is not None
        try:
            with self.dial() as other:
                ended = other.execute(_END_IF_IDLE, (self.pgconn.backend_pid,))
                return ended.fetchone() is not None
        except psycopg.Error:
            return False

    def answers(self, seconds: float) -> bool:
        """Whether the server says anything on this connection, in so many seconds."""
        before, self.answer_seconds = self.answer_seconds, seconds
        try:
            self.autocommit = True
            self.execute("")
            self.autocommit = False
        except psycopg.Error:
            return False
        finally:
            self.answer_seconds = before
        return True


def bound_postgres(engine: Engine, deadlines: Deadlines) -> None:
    """Give every connection that the engine will make these deadlines."""
    event.listen(engine, "do_connect", _connecting(deadlines))
    event.listen(engine, "checkout", _pinging(deadlines.ping))


def _connecting(deadlines: Deadlines) -> Any:
    def connect(
        _dialect: Any, _record: Any, arguments: list[Any], parameters: dict[str, Any]
    ) -> BoundedConnection:
        parameters = _on_tcp(deadlines) | parameters
        connection = BoundedConnection.connect(*arguments, **parameters)
        try:
            connection.answer_seconds = deadlines.ping
            connection.autocommit = True
            connection.execute(_IN_SESSION, _session_limits(deadlines))
            connection.autocommit = False
        except BaseException:
            connection.close()
            raise
        connection.answer_seconds = deadlines.answer
        connection.doubt_seconds = deadlines.doubt
        connection.dial = lambda: _dialled(arguments, parameters, deadlines.ping)
        return connection

    return connect


def _dialled(
    arguments: list[Any], parameters: dict[str, Any], seconds: float
) -> psycopg.Connection[Any]:
    """A connection beside another, on which nothing waits for long."""
    short = parameters | {"connect_timeout": 2}
    connection = BoundedConnection.connect(*arguments, **short, autocommit=True)
    connection.answer_seconds = seconds
    return connection


def _pinging(seconds: float) -> Any:
    def checkout(connection: Any, _record: Any, _proxy: Any) -> None:
        if connection.is_new:  # it has just answered; and SQLAlchemy tries no third connection
            connection.is_new = False
            return
        if not connection.answers(seconds):  # its neighbours are of the same time
            raise InvalidatePoolError("the connection is lost")

    return checkout


def _on_tcp(deadlines: Deadlines) -> dict[str, Any]:
    probe = max(1, round(deadlines.silence / (PROBES + 1)))
    return {
        "connect_timeout": round(deadlines.connect),
        "keepalives_idle": probe,
        "keepalives_interval": probe,
        "keepalives_count": PROBES,
        "tcp_user_timeout": round(1000 * deadlines.silence),
    }


def _session_limits(deadlines: Deadlines) -> dict[str, str]:
    probe = max(1, round(deadlines.silence / (PROBES + 1)))
    return {
        "lock": _milliseconds(deadlines.lock),
        "statement": _milliseconds(deadlines.statement),
        "idle": _milliseconds(10 * deadlines.idle),  # of a reader; who writes: `engine.transaction`
        "probe": f"{probe}s",
        "probes": str(PROBES),
        "silence": _milliseconds(deadlines.silence),
    }


def _milliseconds(seconds: float | None) -> str:
    return f"{round(1000 * (seconds or 0))}ms"


_IN_SESSION = """
    SELECT set_config('lock_timeout', %(lock)s, false),
        set_config('statement_timeout', %(statement)s, false),
        set_config('idle_in_transaction_session_timeout', %(idle)s, false),
        set_config('tcp_keepalives_idle', %(probe)s, false),
        set_config('tcp_keepalives_interval', %(probe)s, false),
        set_config('tcp_keepalives_count', %(probes)s, false),
        set_config('tcp_user_timeout', %(silence)s, false)
"""

# What has just been said may still be on its way to us.
_END_IF_IDLE = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND state LIKE 'idle%%' AND usename = current_user
        AND clock_timestamp() - state_change > interval '1 second'
"""
