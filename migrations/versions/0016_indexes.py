"""Index what lists, polls, previews and takeovers look for, so that none reads a whole table."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

OLD = "ix_mo_studies_status_created_at"
INDEXES = {
    "ix_mo_studies_status_created_at_study_id": ["status", "created_at", "study_id"],
    "ix_mo_studies_created_at_study_id": ["created_at", "study_id"],
    "ix_mo_studies_name_created_at_study_id": ["name", "created_at", "study_id"],
    "ix_mo_segments_pace": ["signature", "role", "seconds", "lanes", "meta_iterations"],
    "ix_mo_deliveries_webhook_created_at_delivery_id": ["webhook", "created_at", "delivery_id"],
    "ix_mo_deliveries_status_created_at_delivery_id": ["status", "created_at", "delivery_id"],
}
PARTIAL = {
    "ix_mo_trials_open": (["status", "study_id"], "status IN ('queued', 'running')"),
    "ix_mo_attempts_running": (["epoch"], "outcome = 'running'"),
}


def upgrade() -> None:
    """Make the indexes; one takes the place of an older one."""
    for name, columns in INDEXES.items():
        op.create_index(name, _table(name), columns)
    for name, (columns, condition) in PARTIAL.items():
        where = sa.text(condition)
        op.create_index(name, _table(name), columns, sqlite_where=where, postgresql_where=where)
    op.drop_index(OLD, table_name="mo_studies")


def downgrade() -> None:
    """Drop them, and make the older one."""
    op.create_index(OLD, "mo_studies", ["status", "created_at"])
    for name in [*INDEXES, *PARTIAL]:
        op.drop_index(name, table_name=_table(name))


def _table(index: str) -> str:
    """`ix_mo_studies_…` is an index of `mo_studies`."""
    return "_".join(index.split("_")[1:3])
