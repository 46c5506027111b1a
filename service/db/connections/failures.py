"""What a failure of the database means: it is away, locked or full, or the fault is another."""

import sqlite3

import psycopg.errors
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

_LOCKED = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)


def is_locked(error: Exception) -> bool:
    """Whether somebody else held a lock for longer than one waits."""
    if not isinstance(error, DBAPIError):
        return False
    return isinstance(error.orig, _LOCKED) or _sqlite_code(error) == sqlite3.SQLITE_BUSY


def is_full(error: Exception) -> bool:
    """Whether the database has no room on its disk, or may not grow."""
    if not isinstance(error, DBAPIError):
        return False
    return isinstance(error.orig, psycopg.errors.DiskFull) or (
        _sqlite_code(error) == sqlite3.SQLITE_FULL
    )


def is_away(error: Exception) -> bool:
    """Whether another try may succeed: the database did not answer, or was busy with others."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | PoolTimeout)


def is_gone(error: Exception) -> bool:
    """Whether the connection to PostgreSQL is lost, or none was to be had."""
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    return isinstance(error.orig, psycopg.OperationalError) and error.orig.sqlstate is None


def in_words(error: SQLAlchemyError) -> str:
    """The first line of what the database said, without the statement."""
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__


def _sqlite_code(error: DBAPIError) -> int | None:
    """SQLite's primary result code; the extended ones have more in their higher bits."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
