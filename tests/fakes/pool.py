"""Databases of one Postgres, lent to one test after another: emptying is cheaper.

lend ──▶ a test writes rows ──▶ give back ──▶ as at first? ──▶ lent again
                                              else dropped (another schema, other kept rows)
"""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, Engine, create_engine, text

_CLOSE_OTHERS = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
_TABLES = (
    "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
# What an empty database is made of; that it has no statistics shows that no plan of it is another.
_SCHEMA = """
    SELECT md5(string_agg(line, chr(10) ORDER BY line)) FROM (
        SELECT relname || relkind::text || a.attnum || attname || atttypid || attnotnull AS line
        FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid
        WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
        UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting
        UNION ALL SELECT 'statistics' FROM pg_statistic JOIN pg_class c ON starelid = c.oid
        WHERE relnamespace = 'public'::regnamespace
    ) AS lines
"""
_SEQUENCES = """
    SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL
"""


class Pool:
    """Copies of a template, one for each test that has one at the time.

    Args:
        cluster: URL of the Postgres, of a user who may all.
        template: Name of the database to copy.
    """

    def __init__(self, cluster: str, template: str) -> None:
        self._admin = create_engine(cluster, isolation_level="AUTOCOMMIT")
        self._template = template
        self._free: list[str] = []
        with self._inside(template) as connection:
            self._at_first = _contents(connection)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Yield the URL of a database that is like the template."""
        name = self._free.pop() if self._free else self._new()
        yield self._admin.url.set(database=name).render_as_string(hide_password=False)
        if self._empties(name):
            self._free.append(name)
        else:
            with self._admin.connect() as connection:
                connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))

    def _new(self) -> str:
        name = f"test_{uuid4().hex}"
        with self._admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {self._template}"))
        return name

    def _empties(self, name: str) -> bool:
        """Take out all rows that the template has not; return whether it is as at first."""
        with self._admin.connect() as connection:
            exists = text("SELECT count(*) FROM pg_database WHERE datname = :name")
            if not connection.scalar(exists, {"name": name}):
                return False
        schema, kept = self._at_first
        with self._inside(name) as connection:
            connection.execute(text(_CLOSE_OTHERS))
            if connection.scalar(text(_SCHEMA)) != schema:
                return False
            filled = [table for table in _filled(connection) if table not in kept]
            connection.execute(text("SET session_replication_role = replica"))  # no triggers
            if filled:  # tables are as new then, also to whoever plans queries
                connection.execute(text(f"TRUNCATE {', '.join(filled)} RESTART IDENTITY CASCADE"))
            connection.execute(text(_SEQUENCES))
            return _contents(connection) == self._at_first

    @contextmanager
    def _inside(self, name: str) -> Iterator[Connection]:
        engine: Engine = create_engine(
            self._admin.url.set(database=name), isolation_level="AUTOCOMMIT"
        )
        try:
            with engine.connect() as connection:
                yield connection
        finally:
            engine.dispose()

    def close(self) -> None:
        """Close what is open; the databases go with their Postgres."""
        self._admin.dispose()


def _contents(connection: Connection) -> tuple[str, dict[str, str]]:
    """The schema, and the rows of each table that has any, as digests."""
    rows = {
        table: str(connection.scalar(text(f"SELECT md5(string_agg(t::text, ',')) FROM {table} t")))  # noqa: S608
        for table in _filled(connection)
    }
    return str(connection.scalar(text(_SCHEMA))), rows


def _filled(connection: Connection) -> list[str]:
    tables = connection.scalars(text(_TABLES)).all()
    each = " UNION ALL ".join(
        f"SELECT '{table}' WHERE EXISTS (SELECT FROM {table})"  # noqa: S608
        for table in tables
    )
    return list(connection.scalars(text(each))) if tables else []
