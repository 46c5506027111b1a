"""Say at which rung a trial was last scored, so that the best so far is found by an index."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

OLD = "ix_mo_trials_study_id_role_branch_status_score"
NEW = "ix_mo_trials_study_id_role_branch_status_rung_score"


def upgrade() -> None:
    """Add the column, as the reports say it, and have it in the index."""
    op.add_column("mo_trials", sa.Column("rung", sa.Integer()))
    op.execute(
        "UPDATE mo_trials SET rung = (SELECT max(meta_iteration) FROM mo_reports "
        "WHERE mo_reports.trial_id = mo_trials.trial_id)"
    )
    op.create_index(NEW, "mo_trials", ["study_id", "role", "branch", "status", "rung", "score"])
    op.drop_index(OLD, table_name="mo_trials")


def downgrade() -> None:
    """Drop the column."""
    op.create_index(OLD, "mo_trials", ["study_id", "role", "branch", "status", "score"])
    op.drop_index(NEW, table_name="mo_trials")
    op.drop_column("mo_trials", "rung")
