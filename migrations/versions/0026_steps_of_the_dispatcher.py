"""Number the live dispatcher's steps, so that a commit without an answer can be asked about."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the number of the last one; of a dispatcher that is live it is not known."""
    op.add_column(
        "mo_dispatcher", sa.Column("step", sa.BigInteger(), nullable=False, server_default="0")
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_column("mo_dispatcher", "step")
