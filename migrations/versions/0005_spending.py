"""Add what each search has spent of its budget."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FROM_SEGMENTS = """
INSERT INTO mo_spending (study_id, wall_seconds, device_seconds, meta_iterations, ended_by)
SELECT mo_studies.study_id, 0.0,
       COALESCE(SUM(mo_segments.seconds), 0.0),
       COALESCE(SUM(CAST(mo_segments.lanes AS BIGINT) * mo_segments.meta_iterations), 0),
       CASE WHEN mo_studies.sealed_looks > 0 THEN 'trials' END
FROM mo_studies LEFT JOIN mo_segments
     ON mo_segments.study_id = mo_studies.study_id AND mo_segments.role = 'search'
GROUP BY mo_studies.study_id, mo_studies.sealed_looks
"""


def upgrade() -> None:
    """Add the table; how long older studies ran is not known."""
    op.create_table(
        "mo_spending",
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("wall_seconds", sa.Float(53), nullable=False),
        sa.Column("device_seconds", sa.Float(53), nullable=False),
        sa.Column("meta_iterations", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.String(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name="fk_mo_spending_study_id_mo_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study_id", name="pk_mo_spending"),
    )
    op.execute(FROM_SEGMENTS)


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("mo_spending")
