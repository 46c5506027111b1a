"""A path is not a URL: whatever a directory is called, its database is in it, and nowhere else."""

import os
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from optuna.storages import RDBStorage
from pydantic import ValidationError
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from service.app import create_app
from service.daemon import EXIT_UNUSABLE, run
from service.database_url import parse_database_url, sqlite_url
from service.db.engine import open_engine, transaction
from service.db.optuna.storage import open_storage, storage_url
from service.db.schema import migrate, revisions
from service.settings import Settings
from tests.fakes.local import local_client
from tests.fakes.rows import add_study

ODD = " %?#;&=:@+~*'\"\\\n\t{}$`<>|[](),!^\x7f-._aé日\u0301"
WORDS = [
    "feature%2Flr", "what?x=1", "a b", "#x", "sqlite:", "file:x", ":memory:", "{SCHEMA_VERSION}",
    "%(here)s", "50%", "-dash", "~", "$HOME", "e\u0301", "é", "x?mode=memory", "日本",
]  # fmt: skip


def is_name(text: str) -> bool:
    encodable = text.encode("utf-8", "ignore").decode() == text
    return encodable and len(text.encode()) < 200 and bool(text.strip().strip("."))


names = st.sampled_from(WORDS) | st.text(
    st.sampled_from(ODD) | st.characters(exclude_characters="/\0"), min_size=1, max_size=20
).filter(is_name)


@given(name=names, other=names)
@example(name="feature%2Flr", other="feature")
@example(name="what?x=1", other="what")
def test_the_database_of_a_directory_is_in_it_whatever_it_is_called(name: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        for place in {name, other}:
            settings = Settings(data_directory=Path(root) / place)
            settings.data_directory.mkdir()
            (settings.data_directory / "metaopt.db").touch()
            engine = open_engine(settings.url())
            with transaction(engine) as session:
                session.execute(text("CREATE TABLE names (name TEXT)"))
                session.execute(text("INSERT INTO names VALUES (:name)"), {"name": place})
            engine.dispose()
            template = RDBStorage._fill_storage_url_template(storage_url(engine))
            assert make_url(template).database == str(settings.data_directory / "metaopt.db")
        assert {path.name for path in Path(root).iterdir()} == {name, other}
        for place in {name, other}:
            found = sqlite3.connect(Path(root) / place / "metaopt.db")
            assert found.execute("SELECT name FROM names").fetchall() == [(place,)]
            found.close()


NASTY = Path("feature%2Flr", "what?x=1#y&z", "{SCHEMA_VERSION} %(x)s", ":memory:", "é'\";日\n本")


def test_tables_service_and_dashboard_work_in_a_nasty_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("METAOPT_DATA_DIRECTORY", str(NASTY))  # relative, as a user gives it
    settings = Settings()
    migrate.upgrade(settings.url())
    engine = open_engine(settings.url())
    with transaction(engine) as session:
        add_study(session, name="seen")
    storage = open_storage(settings.url())
    assert storage.get_all_studies() == []
    storage.engine.dispose()
    with local_client(create_app(settings)) as client:
        assert [one["name"] for one in client.get("/api/v1/studies").json()["items"]] == ["seen"]
        assert client.get("/api/studies").status_code == 200  # Optuna Dashboard's
    engine.dispose()
    source = sqlite3.connect(NASTY / "metaopt.db")
    copy = sqlite3.connect(tmp_path / "copy.db")
    source.backup(copy)
    assert copy.execute("SELECT name FROM mo_studies").fetchall() == [("seen",)]
    source.close()
    copy.close()
    files = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.parent for path in files} == {tmp_path / NASTY, tmp_path}
    assert files & set(tmp_path.iterdir()) == {tmp_path / "copy.db"}


def test_what_reads_a_database_makes_none(tmp_path: Path) -> None:
    settings = Settings(data_directory=tmp_path / "data")
    settings.data_directory.mkdir()
    engine = open_engine(settings.url())
    with pytest.raises(OperationalError, match="unable to open"):
        engine.connect()
    with pytest.raises(OperationalError):
        open_storage(settings.url())
    assert revisions.current(settings.url()) is None
    assert run(settings) == EXIT_UNUSABLE
    assert list(settings.data_directory.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://somebody@host/x", "must begin with sqlite:/// or postgresql://, got mysql://"),
        ("nonsense", "must be a URL and begin with sqlite:/// or postgresql://"),
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("sqlite:///file:x?uri=true", "must name a file"),
        ("postgresql://me:secret@host:port/x", "must be a URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_by_its_variable(
    url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METAOPT_DATABASE_URL", url)
    with pytest.raises(ValidationError, match="database_url") as refused:
        Settings()
    assert says in str(refused.value)
    with pytest.raises(ValueError, match="must"):
        parse_database_url(url)


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "a\0b"])
def test_a_directory_that_cannot_be_had_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="must be a path"):
        Settings(data_directory=Path(name))


def test_a_url_is_what_was_given_when_it_is_written_and_read(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / NASTY)
    assert make_url(url.render_as_string()).database == str(tmp_path / NASTY)


@pytest.mark.parametrize(
    ("url", "hosts", "ports"),
    [
        ("postgresql://me:p%2C@one:5432,other:5433/metaopt?{}", "one,other", "5432,5433"),
        ("postgresql+psycopg://one,other/metaopt?{}", "one,other", ","),
        ("postgresql://me@[::1]:5432,10.0.0.2/metaopt?{}", "::1,10.0.0.2", "5432,"),
        ("postgresql://me@/metaopt?host=one:5432&host=other:5433&{}", "one,other", "5432,5433"),
        ("postgresql://me@/metaopt?host=/run/a&host=/run/b&{}", "/run/a,/run/b", ","),
    ],
)
def test_a_primary_and_its_standby_are_one_url(url: str, hosts: str, ports: str) -> None:
    parsed = parse_database_url(url.format("target_session_attrs=read-write"))
    engine = open_engine(parse_database_url(parsed.render_as_string(hide_password=False)))
    arguments = engine.dialect.create_connect_args(engine.url)[1]
    told = {name: arguments[name] for name in ("host", "port", "dbname", "target_session_attrs")}
    assert told == {
        "host": hosts, "port": ports, "dbname": "metaopt", "target_session_attrs": "read-write",
    }  # fmt: skip


@pytest.mark.parametrize("url", ["postgresql://one:x,other/db", "postgresql://one,/db"])
def test_hosts_that_are_none_are_refused_without_the_password(url: str) -> None:
    with pytest.raises(ValueError, match="must be a URL"):
        parse_database_url(url)
