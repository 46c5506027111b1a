"""Add deliveries of webhooks, and how far each webhook has come."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "mo_deliveries",
        sa.Column("delivery_id", sa.String(32), nullable=False),
        sa.Column("webhook", sa.String(64), nullable=False),
        sa.Column("event", sa.String(32), nullable=False),
        sa.Column("event_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("study_id", sa.String(32), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status_code", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'delivered', 'failed')", name=op.f("ck_mo_deliveries_status")
        ),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["mo_events.event_id"],
            name=op.f("fk_mo_deliveries_event_id_mo_events"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_mo_deliveries")),
        sa.UniqueConstraint("event_id", "webhook", name=op.f("uq_mo_deliveries_event_id_webhook")),
    )
    op.create_index(
        op.f("ix_mo_deliveries_webhook_status_next_attempt_at"),
        "mo_deliveries",
        ["webhook", "status", "next_attempt_at"],
    )
    op.create_index(
        op.f("ix_mo_deliveries_created_at_delivery_id"),
        "mo_deliveries",
        ["created_at", "delivery_id"],
    )
    op.create_table(
        "mo_notified",
        sa.Column("webhook", sa.String(64), nullable=False),
        sa.Column("since_event_id", sa.BigInteger(), nullable=False),
        sa.Column("last_event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("webhook", name=op.f("pk_mo_notified")),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("mo_notified")
    op.drop_table("mo_deliveries")
