"""Say which sealed tasks a study has, so that looks at them are counted over studies."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEX = "ix_mo_studies_sealed_bank_sealed_looks"


def upgrade() -> None:
    """Add the column; studies that are there already count for themselves."""
    op.add_column("mo_studies", sa.Column("sealed_bank", sa.String(64)))
    op.create_index(INDEX, "mo_studies", ["sealed_bank", "sealed_looks"])


def downgrade() -> None:
    """Drop the column."""
    op.drop_index(INDEX, "mo_studies")
    with op.batch_alter_table("mo_studies") as table:
        table.drop_column("sealed_bank")
