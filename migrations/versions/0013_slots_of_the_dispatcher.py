"""Say which slots the live dispatcher has, and which devices do not work."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; a dispatcher that is live already has not told."""
    op.add_column("mo_dispatcher", sa.Column("slots", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("mo_dispatcher") as table:
        table.drop_column("slots")
