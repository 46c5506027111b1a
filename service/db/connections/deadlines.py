"""Deadlines: how long a process waits for its database, by what it is for.

    pool ──▶ line ──▶ connect ──▶ lock, statement ──▶ answer        all of it bounded, on both kinds
                                                       idle: what PostgreSQL does to who waits for
                                                       nothing but holds locks

A server's API says "try again" within five seconds, whatever the database does.  A dispatcher
rather waits: giving up costs it the segments that run.  Who holds locks and does nothing is ended,
by PostgreSQL or by a dispatcher that stands by (docs/adr/0030).
"""

from typing import NamedTuple


class Deadlines(NamedTuple):
    """Longest waits, in seconds.

    Args:
        pool: For a connection of the pool, and for a place in the line of writers.
        connect: For a new connection; at least 2, as libpq takes it.
        ping: For an answer of a connection that lay in the pool.
        lock: For a lock: of a row or table of PostgreSQL, or SQLite's one of all writers.
        statement: For a statement, on PostgreSQL; None has no limit.
        answer: For PostgreSQL to say anything; longer than `statement`, None has no limit.
        doubt: After which it is asked, on a connection of its own, whether it still works at what
            it has said nothing about; None does not ask, as what waits no longer than that.
        idle: PostgreSQL ends a session that writes and does nothing for so long in its transaction.
        silence: Until an unreachable host counts as lost, on TCP.
        writers: Most write transactions at a time of a process on PostgreSQL; 1 on SQLite, which
            has one writer anyway.  None is as many as there are.
        fails_together: Whether one that got no answer tells the others (`outage`).
    """

    pool: float
    connect: float
    ping: float
    lock: float
    statement: float | None
    answer: float | None
    idle: float
    silence: float
    doubt: float | None = None
    writers: int | None = None
    fails_together: bool = False


API = Deadlines(
    pool=1.0, connect=2.0, ping=1.0, lock=2.0, statement=3.0, answer=3.5, idle=6.0, silence=4.0,
    writers=6, fails_together=True,
)  # fmt: skip
"""Of the API: pool, ping and connect take four seconds together."""

API_REQUEST_SECONDS = 3.0
"""For which a request may wait for a thread, in the line of writers and for locks, all together
(`allowance`); what else it does leaves five in all."""

DISPATCHER = Deadlines(
    pool=10.0,
    connect=5.0,
    ping=5.0,
    lock=10.0,
    statement=60.0,
    answer=65.0,
    idle=15.0,
    silence=10.0,
    doubt=3.0,
)
"""Of the dispatcher, and of what runs beside its loop."""

STANDBY = Deadlines(
    pool=2.0, connect=2.0, ping=2.0, lock=1.5, statement=5.0, answer=6.0, idle=4.0, silence=4.0
)
"""Of a dispatcher that stands by: it looks often, and rather once more than for long.  The wait for
the lock of a frozen one comes on top of that for its sign of life: both together are under 10 s."""

PATIENT = Deadlines(
    pool=30.0, connect=10.0, ping=5.0, lock=30.0, statement=None, answer=None, idle=60.0,
    silence=30.0, doubt=10.0,
)  # fmt: skip
"""Of commands and migrations: they may take long, and a person sees that they do."""

MIGRATION = PATIENT._replace(idle=3600.0)
"""Of a change of the schema: it computes between its statements, and may for long."""
