"""Make the table of segments: what the time of the slots went into."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite autoincrements INTEGER only


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "mo_segments",
        sa.Column("segment_id", BIG_ID, autoincrement=True, nullable=False),
        sa.Column("study_id", sa.String(32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("slot", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("branch", sa.String(32), nullable=False),
        sa.Column("signature", sa.String(64), nullable=False),
        sa.Column("program", sa.String(32), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("lanes", sa.Integer(), nullable=False),
        sa.Column("meta_iterations", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=False),
        sa.Column("seconds", sa.Float(53), nullable=False),
        sa.Column("train_seconds", sa.Float(53), nullable=False),
        sa.Column("evaluate_seconds", sa.Float(53), nullable=False),
        sa.Column("wait_seconds", sa.Float(53), nullable=False),
        sa.Column("sample_share", sa.Float(53)),
        sa.Column("peak_memory_bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("role IN ('search', 'verdict')", name=op.f("ck_mo_segments_role")),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name="fk_mo_segments_study_id_mo_studies",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("segment_id", name="pk_mo_segments"),
    )
    op.create_index(
        "ix_mo_segments_study_id_seconds_wait_seconds",
        "mo_segments",
        ["study_id", "seconds", "wait_seconds"],
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("mo_segments")
