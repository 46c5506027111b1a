"""Add schedules and their runs."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

CHOICES = {
    "catch_up": "catch_up IN ('skip', 'once', 'all')",
    "overlap": "overlap IN ('skip', 'queue', 'cancel')",
    "seed": "seed IN ('fresh', 'fixed')",
}
STATUS = "status IN ('waiting', 'submitted', 'skipped', 'refused')"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "mo_schedules",
        sa.Column("schedule_id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("cron", sa.String(100), nullable=False),
        sa.Column("time_zone", sa.String(64), nullable=False),
        *(sa.Column(name, sa.String(16), nullable=False) for name in CHOICES),
        sa.Column("spec", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("planned_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.CheckConstraint(rule, name=op.f(f"ck_mo_schedules_{name}"))
            for name, rule in CHOICES.items()
        ),
        sa.PrimaryKeyConstraint("schedule_id", name=op.f("pk_mo_schedules")),
        sa.UniqueConstraint("name", name=op.f("uq_mo_schedules_name")),
    )
    op.create_table(
        "mo_schedule_runs",
        sa.Column("schedule_id", sa.String(32), nullable=False),
        sa.Column("fire_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("manual", sa.Boolean(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("study_id", sa.String(32), nullable=True),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(STATUS, name=op.f("ck_mo_schedule_runs_status")),
        sa.ForeignKeyConstraint(
            ["schedule_id"],
            ["mo_schedules.schedule_id"],
            name=op.f("fk_mo_schedule_runs_schedule_id_mo_schedules"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["study_id"],
            ["mo_studies.study_id"],
            name=op.f("fk_mo_schedule_runs_study_id_mo_studies"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("schedule_id", "fire_at", name=op.f("pk_mo_schedule_runs")),
    )
    op.create_index(
        op.f("ix_mo_schedule_runs_status_ended"), "mo_schedule_runs", ["status", "ended"]
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("mo_schedule_runs")
    op.drop_table("mo_schedules")
