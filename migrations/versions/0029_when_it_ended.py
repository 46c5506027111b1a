"""Index what is looked for by its age: studies by their end, Idempotency-Keys by their use."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

INDEXES = {
    "ix_mo_studies_finished_at_study_id": ("mo_studies", ["finished_at", "study_id"]),
    "ix_mo_idempotency_keys_created_at": ("mo_idempotency_keys", ["created_at"]),
}


def upgrade() -> None:
    """Create the indexes."""
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)


def downgrade() -> None:
    """Drop them."""
    for name, (table, _) in INDEXES.items():
        op.drop_index(name, table_name=table)
