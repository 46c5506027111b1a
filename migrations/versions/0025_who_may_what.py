"""Give keys scopes, projects and an end, things a project, and changes a row that stays."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

OWNED = "mo_studies", "mo_schedules", "mo_deliveries"
KEY_COLUMNS = "scopes", "projects", "expires_at", "previous_sha256", "previous_expires_at"
PROJECT = sa.String(length=64)


def upgrade() -> None:
    """Add the columns and tables; what is there belongs to the project `default`."""
    with op.batch_alter_table("mo_api_keys") as table:
        table.add_column(sa.Column("scopes", sa.JSON(), nullable=True))  # null: all, as before
        table.add_column(sa.Column("projects", sa.JSON(), nullable=True))
        table.add_column(sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
        table.add_column(sa.Column("previous_sha256", sa.String(length=64), nullable=True))
        table.add_column(
            sa.Column("previous_expires_at", sa.DateTime(timezone=True), nullable=True)
        )
    for name in OWNED:
        op.add_column(name, _project())
    with op.batch_alter_table("mo_schedules") as table:
        table.drop_constraint("uq_mo_schedules_name", type_="unique")
        table.create_unique_constraint("uq_mo_schedules_project_name", ["project", "name"])
    _replace_studies_indexes(
        drop=["ix_mo_studies_created_at_study_id", "ix_mo_studies_name_created_at_study_id"],
        create=[
            ("ix_mo_studies_project_created_at_study_id", ["project", "created_at", "study_id"]),
            (
                "ix_mo_studies_project_name_created_at_study_id",
                ["project", "name", "created_at", "study_id"],
            ),
        ],
    )
    _key_baselines(["project", "name", "version"])
    _make_sessions()
    _make_audit()


def downgrade() -> None:
    """Drop them.  Fails where two projects have a schedule or a baseline of the same name."""
    _drop_audit()
    op.drop_table("mo_sessions")
    _key_baselines(["name", "version"])
    _replace_studies_indexes(
        drop=[
            "ix_mo_studies_project_created_at_study_id",
            "ix_mo_studies_project_name_created_at_study_id",
        ],
        create=[
            ("ix_mo_studies_created_at_study_id", ["created_at", "study_id"]),
            ("ix_mo_studies_name_created_at_study_id", ["name", "created_at", "study_id"]),
        ],
    )
    with op.batch_alter_table("mo_schedules") as table:
        table.drop_constraint("uq_mo_schedules_project_name", type_="unique")
        table.create_unique_constraint("uq_mo_schedules_name", ["name"])
    for name in OWNED:
        op.drop_column(name, "project")
    for column in reversed(KEY_COLUMNS):
        op.drop_column("mo_api_keys", column)


def _project() -> sa.Column[str]:
    return sa.Column("project", PROJECT, nullable=False, server_default="default")


def _replace_studies_indexes(drop: list[str], create: list[tuple[str, list[str]]]) -> None:
    for name in drop:
        op.drop_index(name, table_name="mo_studies")
    for name, columns in create:
        op.create_index(name, "mo_studies", columns)


def _key_baselines(key: Sequence[str]) -> None:
    """Make the table again with another primary key, which SQLite cannot change."""
    has_project = "project" in key
    op.rename_table("mo_baselines", "mo_baselines_before")
    if op.get_bind().dialect.name == "postgresql":  # names of constraints are unique there
        op.execute("ALTER TABLE mo_baselines_before DROP CONSTRAINT pk_mo_baselines")
    kept = [
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("study_id", sa.String(length=32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
    ]
    names = ", ".join(column.name for column in kept)
    op.create_table(
        "mo_baselines",
        *([_project()] if has_project else []),
        *kept,
        sa.PrimaryKeyConstraint(*key, name="pk_mo_baselines"),
    )
    op.execute(
        f"INSERT INTO mo_baselines ({names}) SELECT {names} FROM mo_baselines_before"  # noqa: S608 # names of this file
    )
    op.drop_table("mo_baselines_before")


def _make_sessions() -> None:
    op.create_table(
        "mo_sessions",
        sa.Column("session_sha256", sa.String(length=64), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("project", PROJECT, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("session_sha256", name="pk_mo_sessions"),
    )


def _make_audit() -> None:
    op.create_table(
        "mo_audit",
        sa.Column(
            "audit_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_id", sa.String(length=32), nullable=False),
        sa.Column("api_key_id", sa.String(length=32), nullable=False),
        sa.Column("key_name", sa.String(length=200), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("project", PROJECT, nullable=False),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("changed", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("audit_id", name="pk_mo_audit"),
    )
    op.create_index("ix_mo_audit_project_audit_id", "mo_audit", ["project", "audit_id"])
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER mo_audit_no_{verb.lower()} BEFORE {verb} ON mo_audit "
                "BEGIN SELECT RAISE(ABORT, 'mo_audit is append-only'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION mo_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'mo_audit is append-only'; END $$"
    )
    op.execute(
        "CREATE TRIGGER mo_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON mo_audit "
        "FOR EACH STATEMENT EXECUTE FUNCTION mo_audit_append_only()"
    )


def _drop_audit() -> None:
    op.drop_table("mo_audit")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION mo_audit_append_only()")
