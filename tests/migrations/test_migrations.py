"""The chain: models and schema agree, it goes down as well as up, and Optuna's tables live on."""

import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from optuna.storages import RDBStorage
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Table,
    column,
    insert,
    inspect,
    select,
    table,
    text,
)

from migrations.versions import __file__ as versions_file
from service.db.engine import transaction
from service.db.schema import migrate, revisions
from service.db.schema.revise import revise
from service.db.tables import Base, IdempotencyKey, Report, Spending, Study, Trial
from tests.fakes.rows import NOON, add_segment, add_study, add_trial
from tests.fakes.specs import SPEC

KEY_OF_0025 = "key", "api_key_id", "study_id", "body_sha256"


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def shape(engine: Engine) -> dict[str, object]:
    inspector = inspect(engine)

    def rules(table: str) -> list[tuple[str | None, str]]:
        found = inspector.get_check_constraints(table)
        return sorted((check["name"], check["sqltext"]) for check in found)

    return {
        table: (
            [
                (c["name"], str(c["type"]), c["nullable"], c["default"])
                for c in inspector.get_columns(table)
            ],
            inspector.get_pk_constraint(table),
            sorted(map(str, inspector.get_foreign_keys(table))),
            sorted(map(str, inspector.get_unique_constraints(table))),
            sorted(index_in_words(index) for index in inspector.get_indexes(table)),
            rules(table),
        )
        for table in Base.metadata.tables
    }


def index_in_words(index: Any) -> str:
    # A condition is a clause whose repr names its address in memory.
    options = {name: str(option) for name, option in index.get("dialect_options", {}).items()}
    return str({**index, "dialect_options": options})


def optuna_version(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return connection.scalar(text("SELECT version_num FROM alembic_version"))


def make_optuna_tables(engine: Engine) -> None:
    storage = RDBStorage(engine.url.render_as_string(hide_password=False))
    storage.remove_session()
    storage.engine.dispose()


def test_autogenerate_finds_nothing_to_do(engine: Engine) -> None:
    with engine.connect() as connection:
        options = {
            "version_table": revisions.VERSION_TABLE,
            "compare_server_default": True,
            "include_name": lambda name, kind, _: kind != "table" or name in Base.metadata.tables,
        }
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, Base.metadata) == []


def test_the_chain_makes_exactly_what_the_models_say(bare: Engine, database_url: str) -> None:
    Base.metadata.create_all(bare)
    from_models = shape(bare)
    Base.metadata.drop_all(bare)
    migrate.upgrade(database_url)
    assert shape(bare) == from_models
    assert len(from_models) == 23


def test_up_down_up_leaves_no_trace_and_spares_optuna(bare: Engine, database_url: str) -> None:
    migrate.upgrade(database_url)
    first, version = shape(bare), optuna_version(bare)
    migrate.downgrade(database_url, "base")
    assert not {table for table in tables(bare) if table.startswith("mo_")} - {
        revisions.VERSION_TABLE
    }
    assert revisions.current(database_url) is None
    assert "trials" in tables(bare)
    migrate.upgrade(database_url)
    assert shape(bare) == first
    assert optuna_version(bare) == version


def test_rows_of_the_first_revision_live_on(bare: Engine, database_url: str) -> None:
    migrate.upgrade(database_url, "0001")
    study = {"study_id": "a" * 32, "name": "old", "spec": SPEC, "spec_sha256": "0" * 64}
    with transaction(bare) as session:  # not as objects: those have today's columns
        session.execute(insert(Study).values(**study, status="running", created_at=NOON))
        trial = {"trial_id": "b" * 32, "study_id": "a" * 32, "trial_number": 0, "branch": "maml"}
        found = {"params": {}, "seed": 1, "status": "completed", "score": 0.5}
        session.execute(insert(Trial).values(**trial, **found, created_at=NOON))
    migrate.upgrade(database_url)
    with transaction(bare) as session:
        assert session.get_one(Study, "a" * 32).status == "running"
        assert session.scalars(select(Trial.score)).all() == [0.5]
        add_segment(session)


def test_what_searches_have_spent_is_taken_from_their_segments(
    bare: Engine, database_url: str
) -> None:
    migrate.upgrade(database_url, "0004")
    study = {"name": "old", "spec": SPEC, "spec_sha256": "0" * 64, "status": "running"}
    with transaction(bare) as session:  # not as objects: those have today's columns
        for name, looks in (("a", 0), ("b", 1)):
            own = {"study_id": name * 32, "sealed_looks": looks, "created_at": NOON}
            session.execute(insert(Study).values(**study, **own))
        for role in ("search", "search", "verdict"):
            add_segment(session, role=role, lanes=3, meta_iterations=70, seconds=1.5)
    migrate.upgrade(database_url)
    with transaction(bare) as session:
        running, judged = (session.get_one(Spending, name * 32) for name in "ab")
    assert (running.device_seconds, running.meta_iterations) == (3.0, 420)
    assert (running.wall_seconds, running.ended_by) == (0.0, None)
    assert (judged.device_seconds, judged.ended_by) == (0.0, "trials")


def test_idempotency_keys_become_those_of_the_project_of_their_study(
    bare: Engine, database_url: str
) -> None:
    migrate.upgrade(database_url, "0025")
    used = table("mo_idempotency_keys", *map(column, (*KEY_OF_0025, "created_at")))
    with transaction(bare) as session:  # not as objects: those have today's columns
        for name, project in (("a", "default"), ("b", "vision"), ("c", "default")):
            study = {"name": "old", "spec": SPEC, "spec_sha256": "0" * 64, "status": "queued"}
            own = {"study_id": name * 32, "project": project, "created_at": NOON}
            session.execute(insert(Study).values(**study, **own))
        for key, api_key_id, study_id, hours in (
            ("once", "alice", "a" * 32, 0),
            ("once", "bob", "b" * 32, 1),
            ("once", "carol", "c" * 32, 2),
            ("again", "alice", "a" * 32, 3),
        ):
            row = (key, api_key_id, study_id, "0" * 64)
            at = {"created_at": NOON + timedelta(hours=hours)}
            session.execute(insert(used).values(**dict(zip(KEY_OF_0025, row, strict=True)), **at))
    migrate.upgrade(database_url)
    with transaction(bare) as session:
        rows = session.scalars(select(IdempotencyKey)).all()
        found = {(row.project, row.key): (row.study_id[0], row.api_key_id) for row in rows}
    assert found == {
        ("default", "once"): ("c", "carol"),  # used last
        ("default", "again"): ("a", "alice"),
        ("vision", "once"): ("b", "bob"),
    }
    migrate.downgrade(database_url, "0025")
    with bare.connect() as connection:
        assert len(connection.execute(select(used)).all()) == 3


def test_replicas_are_gone_where_their_role_is_not_known(bare: Engine, database_url: str) -> None:
    migrate.upgrade(database_url)
    with transaction(bare) as session:
        add_study(session)
        add_trial(session, 0, "completed", score=0.5)
        add_trial(session, 1, "completed", role="replica", score=0.6)
        for role in ("search", "replica"):
            add_segment(session, role=role)
    migrate.downgrade(database_url, "0006")
    with bare.connect() as connection:
        roles = [
            connection.scalars(text(f"SELECT role FROM {table}")).all()  # noqa: S608
            for table in ("mo_trials", "mo_segments")
        ]
    assert roles == [["search"], ["search"]]


def test_stored_scores_are_the_same_before_and_after(bare: Engine, database_url: str) -> None:
    sqlite = database_url.startswith("sqlite")
    vectors = [[0.5, -0.0, 1 / 3], [1e300, 1e-320, 0.1], [2.0**-149, -(2.0**127), 0.75], [7.0]]
    vectors += [[math.inf, -math.inf, math.nan]] if sqlite else []  # PostgreSQL's JSON has none
    vectors += [[0.5 + task / 2**20 for task in range(200)] for _ in range(600)]  # many pages
    migrate.upgrade(database_url, "0013")
    with bare.begin() as connection:
        _add_old_reports(connection, vectors)
        before = _old_scores(connection)
    migrate.upgrade(database_url)
    with transaction(bare) as session:
        reports = session.scalars(select(Report).order_by(Report.meta_iteration)).all()
        assert list(map(repr, (report.scores for report in reports))) == list(map(repr, vectors))
        assert reports[0].curve == [0.25]
        lengths = session.scalars(text("SELECT length(scores) FROM mo_reports")).all()
        assert sorted(set(lengths)) == [1 + 4, 1 + 12, 1 + 24, 1 + 800]
    migrate.downgrade(database_url, "0013")
    with bare.connect() as connection:
        assert _old_scores(connection) == before


def _add_old_reports(connection: Connection, vectors: list[list[float]]) -> None:
    study = {"study_id": "a" * 32, "name": "old", "spec": SPEC, "spec_sha256": "0" * 64}
    connection.execute(insert(Study).values(**study, status="running", created_at=NOON))
    trial = {"trial_id": "b" * 32, "study_id": "a" * 32, "trial_number": 0, "branch": "maml"}
    connection.execute(insert(Trial).values(**trial, params={}, seed=1, created_at=NOON))
    numbers = ("score", "stderr", "low", "high", "median", "trimmed_mean", "standard_deviation")
    report = dict.fromkeys([*numbers, "diverged_share", "device_seconds"], 0.5)
    report |= {"trial_id": "b" * 32, "transductive": True, "attempt": 1, "epoch": 1}
    columns = [c for c in Report.__table__.columns if c.name in report]
    old = table(
        "mo_reports",
        *(column(c.name, c.type) for c in columns),
        column("meta_iteration"),
        column("curve", JSON),
        column("scores", JSON),
        column("created_at", DateTime),
    )
    rows = [
        {**report, "meta_iteration": rung, "curve": [0.25], "scores": scores, "created_at": NOON}
        for rung, scores in enumerate(vectors)
    ]
    connection.execute(insert(old), rows)


def _old_scores(connection: Connection) -> list[str]:
    rows = text("SELECT CAST(scores AS TEXT) FROM mo_reports ORDER BY meta_iteration")
    return [repr(json.loads(scores)) for scores in connection.scalars(rows)]


def test_trials_know_where_they_were_last_scored(bare: Engine, database_url: str) -> None:
    migrate.upgrade(database_url, "0016")
    study = {"study_id": "a" * 32, "name": "old", "spec": SPEC, "spec_sha256": "0" * 64}
    trial = {"study_id": "a" * 32, "branch": "maml", "params": {}, "seed": 1, "created_at": NOON}
    numbers = ("score", "stderr", "low", "high", "median", "trimmed_mean", "standard_deviation")
    report = dict.fromkeys([*numbers, "diverged_share", "device_seconds"], 0.5)
    report |= {"transductive": True, "attempt": 1, "epoch": 1, "created_at": NOON}
    report |= {"curve": [0.5], "scores": [0.5]}
    with bare.begin() as connection:  # not as objects: those have today's columns
        connection.execute(insert(Study).values(**study, status="running", created_at=NOON))
        for number, rungs in enumerate(([10, 90, 30], [10], [])):
            own = {"trial_id": f"{number:032x}"}
            connection.execute(insert(Trial).values(**trial, **own, trial_number=number))
            for rung in rungs:
                connection.execute(insert(Report).values(**report, **own, meta_iteration=rung))
    migrate.upgrade(database_url)
    with transaction(bare) as session:
        found = select(Trial.rung).order_by(Trial.trial_number)
        assert session.scalars(found).all() == [90, 10, None]


def test_optuna_may_be_there_first(bare: Engine, database_url: str) -> None:
    make_optuna_tables(bare)
    version = optuna_version(bare)
    assert version is not None
    migrate.upgrade(database_url)
    assert revisions.current(database_url) == revisions.head()
    assert optuna_version(bare) == version


def test_optuna_opens_what_we_made_first(engine: Engine) -> None:
    make_optuna_tables(engine)
    assert optuna_version(engine) is not None
    assert {"mo_studies", "studies"} <= tables(engine)


def test_revisions_import_no_application_code() -> None:
    from pathlib import Path

    revisions = list(Path(versions_file).parent.glob("0*.py"))
    assert revisions
    for revision in revisions:
        source = revision.read_text()
        assert "import service" not in source and "from service" not in source
        assert "import metaopt" not in source and "from metaopt" not in source


def test_a_new_revision_is_what_the_models_say_and_the_chain_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = MetaData()
    for ours in Base.metadata.tables.values():
        ours.to_metadata(models)
    Table("mo_notes", models, Column("note_id", Integer, primary_key=True))
    monkeypatch.setattr(Base, "metadata", models)
    path = revise("Add notes", tmp_path)
    assert path.name == f"{int(revisions.head()) + 1:04d}_add_notes.py"
    up, down = path.read_text().split("def downgrade")
    assert up.count("op.create_table('mo_notes'") == up.count("op.") == 1
    assert down.count("op.drop_table('mo_notes'") == down.count("op.") == 1
