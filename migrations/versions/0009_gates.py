"""Keep winners' weights, baselines, and trials that gates compare."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = ("mo_trials", "mo_segments")
BEFORE = "role IN ('search', 'replica', 'verdict')"
AFTER = "role IN ('search', 'replica', 'verdict', 'candidate', 'incumbent')"


def upgrade() -> None:
    """Add the tables, the column and the roles."""
    op.create_table(
        "mo_baselines",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_mo_baselines")),
    )
    op.create_table(
        "mo_weights",
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_mo_weights")),
    )
    with op.batch_alter_table("mo_trials") as batch:
        batch.add_column(sa.Column("bank_tasks", sa.Integer(), nullable=True))
    _set_rule(AFTER)


def downgrade() -> None:
    """Drop them, with the trials that the revision before does not know."""
    role, trial_id = sa.column("role"), sa.column("trial_id")
    unknown = role.in_(["candidate", "incumbent"])
    trials = sa.select(trial_id).select_from(sa.table("mo_trials")).where(unknown)
    for table in ("mo_reports", "mo_attempts"):  # a migration's connection cascades nothing
        op.execute(sa.delete(sa.table(table)).where(trial_id.in_(trials)))
    for table in TABLES:
        op.execute(sa.delete(sa.table(table)).where(unknown))
    _set_rule(BEFORE)
    with op.batch_alter_table("mo_trials") as batch:
        batch.drop_column("bank_tasks")
    op.drop_table("mo_weights")
    op.drop_table("mo_baselines")


def _set_rule(rule: str) -> None:
    for table in TABLES:
        name = op.f(f"ck_{table}_role")
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(name, type_="check")
            batch.create_check_constraint(name, sa.text(rule))
