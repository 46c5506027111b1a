"""Say who made a schedule, for quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of older schedules nobody knows, and no quota holds for them."""
    op.add_column("mo_schedules", sa.Column("submitted_by", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Drop it."""
    op.drop_column("mo_schedules", "submitted_by")
