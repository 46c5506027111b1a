"""Keep what failed on a study's way without ending it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("mo_studies", sa.Column("warnings", sa.JSON()))


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("mo_studies") as table:
        table.drop_column("warnings")
