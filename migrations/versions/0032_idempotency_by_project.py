"""An Idempotency-Key is a project's, and a segment says how many scores its lanes were given."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0029"
branch_labels = None
depends_on = None

TABLE = "mo_idempotency_keys"
BEFORE = f"{TABLE}_before"
COLUMNS = "key, api_key_id, body_sha256, study_id, created_at, answer"


def upgrade() -> None:
    """Key the table by project; of a key that two API keys used there, the newest use stays."""
    _make(
        sa.Column("project", sa.String(length=64), nullable=False, server_default="default"),
        key=["project", "key"],
    )
    op.execute(
        f"INSERT INTO {TABLE} (project, {COLUMNS}) "  # noqa: S608 # names of this file
        f"SELECT s.project, {_of('k')} FROM {BEFORE} AS k "
        "JOIN mo_studies AS s ON s.study_id = k.study_id "
        f"WHERE NOT EXISTS (SELECT 1 FROM {BEFORE} AS n "
        "JOIN mo_studies AS t ON t.study_id = n.study_id "
        "WHERE n.key = k.key AND t.project = s.project AND (n.created_at > k.created_at "
        "OR (n.created_at = k.created_at AND n.api_key_id > k.api_key_id)))"
    )
    _replace()
    op.add_column("mo_segments", sa.Column("scored", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Key it by API key; of a key that one of them used in two projects, the newest use stays."""
    op.drop_column("mo_segments", "scored")
    _make(key=["key", "api_key_id"])
    op.execute(
        f"INSERT INTO {TABLE} ({COLUMNS}) SELECT {_of('k')} FROM {BEFORE} AS k "  # noqa: S608
        f"WHERE NOT EXISTS (SELECT 1 FROM {BEFORE} AS n "
        "WHERE n.key = k.key AND n.api_key_id = k.api_key_id AND (n.created_at > k.created_at "
        "OR (n.created_at = k.created_at AND n.project > k.project)))"
    )
    _replace()


def _make(*first: sa.Column[str], key: list[str]) -> None:
    """Make the table anew beside the one before: SQLite changes no primary key."""
    op.rename_table(TABLE, BEFORE)
    if op.get_context().dialect.name == "postgresql":  # names of constraints are the schema's there
        for name in (f"pk_{TABLE}", f"fk_{TABLE}_study_id_mo_studies"):
            op.drop_constraint(name, BEFORE)
    op.create_table(
        TABLE,
        *first,
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("api_key_id", sa.String(length=32), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("study_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name=f"fk_{TABLE}_study_id_mo_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{TABLE}"),
    )


def _replace() -> None:
    """Drop the table before, and with it its index, whose name is the schema's."""
    op.drop_table(BEFORE)
    op.create_index(f"ix_{TABLE}_created_at", TABLE, ["created_at"])


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in COLUMNS.split(", "))
