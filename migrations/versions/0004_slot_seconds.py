"""Add to each segment the slot time that its study had since the one before."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

OLD_INDEX = "ix_mo_segments_study_id_seconds_wait_seconds"
NEW_INDEX = "ix_mo_segments_study_id_seconds_slot_seconds"


def upgrade() -> None:
    """Add the column; of older segments only what their own workers waited is known."""
    op.add_column("mo_segments", sa.Column("slot_seconds", sa.Float(53)))
    op.execute("UPDATE mo_segments SET slot_seconds = seconds + wait_seconds")
    with op.batch_alter_table("mo_segments") as table:
        table.alter_column("slot_seconds", existing_type=sa.Float(53), nullable=False)
        table.drop_index(OLD_INDEX)
        table.create_index(NEW_INDEX, ["study_id", "seconds", "slot_seconds"])


def downgrade() -> None:
    """Drop the column."""
    with op.batch_alter_table("mo_segments") as table:
        table.drop_index(NEW_INDEX)
        table.create_index(OLD_INDEX, ["study_id", "seconds", "wait_seconds"])
        table.drop_column("slot_seconds")
