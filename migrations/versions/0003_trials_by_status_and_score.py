"""Index trials by branch, status and score: what a study's page asks for at each look."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NAME = "ix_mo_trials_study_id_role_branch_status_score"


def upgrade() -> None:
    """Make the index."""
    op.create_index(NAME, "mo_trials", ["study_id", "role", "branch", "status", "score"])


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(NAME, table_name="mo_trials")
