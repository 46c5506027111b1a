"""Keep the importances of a study's parameters once it has ended."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; of studies that have ended they are computed when a report is asked for."""
    op.create_table(
        "mo_importances",
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name=op.f("fk_mo_importances_study_id_mo_studies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", name=op.f("pk_mo_importances")),
    )


def downgrade() -> None:
    """Drop the table: they follow from the trials."""
    op.drop_table("mo_importances")
