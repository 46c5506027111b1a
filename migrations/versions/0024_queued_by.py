"""Who submitted a study, for quotas, and what of a long queue is looked for by itself.

Revision ID: 0024
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_mo_studies_plugins": ("status", "plugins IS NOT NULL"),
    "ix_mo_studies_queued_by": ("submitted_by", "status = 'queued'"),
}


def upgrade() -> None:
    """Add the column and the indexes; of older studies nobody knows who submitted them."""
    op.add_column("mo_studies", sa.Column("submitted_by", sa.String(length=64), nullable=True))
    for name, (column, condition) in INDEXES.items():
        where = sa.text(condition)
        op.create_index(name, "mo_studies", [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop them."""
    for name in INDEXES:
        op.drop_index(name, table_name="mo_studies")
    op.drop_column("mo_studies", "submitted_by")
