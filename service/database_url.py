"""URLs of databases: which kinds there are, and the one of a path.

A path is not a URL: `%`, `?` and `#` mean something else there.  So a path never becomes a part of
a text that is parsed as one; it is handed over as a path.
"""

from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

NO_FILES = (None, "", ":memory:")


def parse_database_url(database_url: str | URL) -> URL:
    """The URL of a database that we can use.

    Raises:
        ValueError: It is no URL, of another kind, or of a SQLite database that is no file.
    """
    try:
        url = make_url(database_url)
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


def sqlite_url(path: Path) -> URL:
    """The URL of the SQLite database in a file."""
    return URL.create("sqlite", database=str(path))


_FORMS = "begin with sqlite:/// or postgresql://"
