"""Let trials and segments be replicas: the search's best trained again."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("mo_trials", "mo_segments")
BEFORE = "role IN ('search', 'verdict')"
AFTER = "role IN ('search', 'replica', 'verdict')"


def upgrade() -> None:
    """Allow the role."""
    _set_rule(AFTER)


def downgrade() -> None:
    """Delete replicas, which the revision before does not know, and forbid the role."""
    role, trial_id = sa.column("role"), sa.column("trial_id")
    replicas = sa.select(trial_id).select_from(sa.table("mo_trials")).where(role == "replica")
    for table in ("mo_reports", "mo_attempts"):  # a migration's connection cascades nothing
        op.execute(sa.delete(sa.table(table)).where(trial_id.in_(replicas)))
    for table in TABLES:
        op.execute(sa.delete(sa.table(table)).where(role == "replica"))
    _set_rule(BEFORE)


def _set_rule(rule: str) -> None:
    for table in TABLES:
        name = op.f(f"ck_{table}_role")
        with op.batch_alter_table(table) as batch:
            batch.drop_constraint(name, type_="check")
            batch.create_check_constraint(name, sa.text(rule))
