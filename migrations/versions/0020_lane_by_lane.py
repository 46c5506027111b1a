"""Keep why lanes were trained one after the other, by segment and by module."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

INDEX = "ix_mo_segments_pace"
COLUMNS = ["signature", "role", "seconds", "lanes", "meta_iterations"]


def upgrade() -> None:
    """Add the columns; a preview also asks which segment of a program was the last."""
    for table in ("mo_segments", "mo_plugins"):
        op.add_column(table, sa.Column("lane_by_lane", sa.String(length=500), nullable=True))
    op.drop_index(INDEX, table_name="mo_segments")
    op.create_index(INDEX, "mo_segments", [*COLUMNS, "segment_id"])


def downgrade() -> None:
    """Drop them."""
    op.drop_index(INDEX, table_name="mo_segments")
    op.create_index(INDEX, "mo_segments", COLUMNS)
    for table in ("mo_plugins", "mo_segments"):
        op.drop_column(table, "lane_by_lane")
