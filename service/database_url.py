"""URLs of databases: which kinds there are, and the one of a path.

A path is not a URL: `%`, `?` and `#` mean something else there.  So a path never becomes a part of
a text that is parsed as one; it is handed over as a path.

A PostgreSQL with a standby has a URL with both hosts, as libpq writes it or as SQLAlchemy does:

    postgresql://me@one:5432,other:5433/metaopt?target_session_attrs=read-write
    postgresql://me@/metaopt?host=one:5432&host=other:5433&target_session_attrs=read-write
"""

import re
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

NO_FILES = (None, "", ":memory:")
_HOSTS = re.compile(
    r"(?P<begin>postgresql(?:\+\w+)?://(?:[^@/?]*@)?)(?P<hosts>[^@/?]*,[^@/?]*)(?P<end>.*)"
)
_HOST = re.compile(r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<name>[^:\[\],]+))(?::(?P<port>[0-9]+))?")


def parse_database_url(database_url: str | URL) -> URL:
    """The URL of a database that we can use.

    Raises:
        ValueError: It is no URL, of another kind, or of a SQLite database that is no file.
    """
    try:
        url = _parsed(database_url)
    except (ArgumentError, ValueError):
        raise ValueError(
            f"must be a URL and {_FORMS}"
        ) from None  # no value: it may have a password
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise ValueError(f"must {_FORMS}, got {url.drivername}://")
    if kind == "sqlite" and (url.database in NO_FILES or "uri" in url.query):
        raise ValueError(
            "of SQLite must name a file, as sqlite:////data/metaopt.db, for several processes "
            f"share it: got {url.render_as_string()}"
        )
    return url


def _parsed(database_url: str | URL) -> URL:
    several = None if isinstance(database_url, URL) else _HOSTS.fullmatch(database_url)
    if several is None:
        return make_url(database_url)
    url = make_url(several["begin"] + several["end"])
    hosts = [_HOST.fullmatch(one) for one in several["hosts"].split(",")]
    if not all(hosts):
        raise ValueError("a host and its port are no such")
    named = [(one["six"] or one["name"], one["port"] or "") for one in hosts if one]
    told = {"host": ",".join(host for host, _ in named), "port": ",".join(p for _, p in named)}
    return url.update_query_dict(told)


def sqlite_url(path: Path) -> URL:
    """The URL of the SQLite database in a file."""
    return URL.create("sqlite", database=str(path))


_FORMS = "begin with sqlite:/// or postgresql://"
