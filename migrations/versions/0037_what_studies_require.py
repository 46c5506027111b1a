"""Keep what a study requires of its slots where the dispatcher finds it, as it does plug-ins."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

INDEX, RULE = "ix_mo_studies_requires", sa.text("requires IS NOT NULL")


def upgrade() -> None:
    """Add the column, and an index of those that require anything."""
    op.add_column("mo_studies", sa.Column("requires", sa.JSON()))
    op.create_index(INDEX, "mo_studies", ["status"], sqlite_where=RULE, postgresql_where=RULE)


def downgrade() -> None:
    """Drop both."""
    op.drop_index(INDEX, table_name="mo_studies")
    op.drop_column("mo_studies", "requires")
