"""Keep the scores of trivial predictors, beside which a verdict and gates judge."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "mo_trivial_scores",
        sa.Column("study_id", sa.String(length=32), nullable=False),
        sa.Column("bank", sa.String(length=16), nullable=False),
        sa.Column("predictor", sa.String(length=32), nullable=False),
        sa.Column("scores", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name=op.f("fk_mo_trivial_scores_study_id_mo_studies"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", "bank", "predictor", name=op.f("pk_mo_trivial_scores")),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("mo_trivial_scores")
