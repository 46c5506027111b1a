"""Keep the checkpoint before the last one of each trial."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: no trial has one so far."""
    op.add_column("mo_trials", sa.Column("previous_checkpoint", sa.Text(), nullable=True))
    op.add_column("mo_trials", sa.Column("previous_sha256", sa.String(length=64), nullable=True))
    op.add_column("mo_trials", sa.Column("previous_meta_iteration", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Drop them; the files are deleted as any that no row names."""
    for name in ("previous_meta_iteration", "previous_sha256", "previous_checkpoint"):
        op.drop_column("mo_trials", name)
