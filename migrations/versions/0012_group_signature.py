"""Keep the signature that a trial began with."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    with op.batch_alter_table("mo_trials") as batch:
        batch.add_column(sa.Column("began_with", sa.String(64), nullable=True))


def downgrade() -> None:
    """Drop it."""
    with op.batch_alter_table("mo_trials") as batch:
        batch.drop_column("began_with")
