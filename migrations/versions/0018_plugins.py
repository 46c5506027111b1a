"""Keep what workers say of plug-ins, and which of them a study needs."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and a column for what a study needs: nothing, so far."""
    op.create_table(
        "mo_plugins",
        sa.Column("family", sa.String(16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("record", sa.JSON(none_as_null=True)),
        sa.Column("refused", sa.Text()),
        sa.Column("present", sa.Boolean(), nullable=False),
        sa.Column("described_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("family", "name", "package", "digest", name=op.f("pk_mo_plugins")),
    )
    op.add_column("mo_studies", sa.Column("plugins", sa.JSON(none_as_null=True)))


def downgrade() -> None:
    """Drop them."""
    op.drop_column("mo_studies", "plugins")
    op.drop_table("mo_plugins")
