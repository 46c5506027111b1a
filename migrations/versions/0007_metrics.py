"""Keep what beside the score is known of trials, at each rung and as samplers were told it."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("mo_trials", "mo_reports", "mo_asks")


def upgrade() -> None:
    """Add the columns; older rows have no metrics."""
    for table in TABLES:
        op.add_column(table, sa.Column("metrics", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Drop the columns."""
    for table in TABLES:
        with op.batch_alter_table(table) as batch:
            batch.drop_column("metrics")
