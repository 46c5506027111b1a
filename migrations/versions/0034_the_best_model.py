"""A report says of which meta-iteration its model is, and what the latest one had."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both; of what was reported before, the last model counted."""
    op.add_column("mo_reports", sa.Column("kept_at", sa.Integer(), nullable=True))
    op.add_column("mo_reports", sa.Column("latest_score", sa.Float(), nullable=True))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("mo_reports", "latest_score")
    op.drop_column("mo_reports", "kept_at")
