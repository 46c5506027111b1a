"""Studies of a project are found by their status, and its looks at sealed tasks without its rows.

Revision ID: 0028
Revises: 0025
"""

from alembic import op

revision = "0028"
down_revision = "0026"
branch_labels = None
depends_on = None

OF_A_STATUS = "ix_mo_studies_project_status_created_at_study_id"
LOOKS = "ix_mo_studies_sealed_bank_sealed_looks_project"
LOOKS_BEFORE = "ix_mo_studies_sealed_bank_sealed_looks"


def upgrade() -> None:
    """Make the indexes that a session of a project needs."""
    columns = ["project", "status", "created_at", "study_id"]
    op.create_index(OF_A_STATUS, "mo_studies", columns)
    op.create_index(LOOKS, "mo_studies", ["sealed_bank", "sealed_looks", "project"])
    op.drop_index(LOOKS_BEFORE, table_name="mo_studies")


def downgrade() -> None:
    """Make those before."""
    op.create_index(LOOKS_BEFORE, "mo_studies", ["sealed_bank", "sealed_looks"])
    op.drop_index(LOOKS, table_name="mo_studies")
    op.drop_index(OF_A_STATUS, table_name="mo_studies")
