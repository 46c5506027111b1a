"""Keep what the first use of an Idempotency-Key was answered, and which program upgraded."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("mo_idempotency_keys", sa.Column("answer", sa.Text(), nullable=True))
    op.create_table(
        "mo_upgrades",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("metaopt", sa.String(length=64), nullable=False),
        sa.Column("upgraded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_mo_upgrades")),
    )


def downgrade() -> None:
    """Drop both."""
    op.drop_table("mo_upgrades")
    op.drop_column("mo_idempotency_keys", "answer")
