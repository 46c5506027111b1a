"""Find the looks at the banks of a page of studies, however many studies a project has.

SQLite reckons that so many values match more rows than a project has, and read all of these.
"""

from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

INDEX = "ix_mo_studies_project_sealed_bank_sealed_looks"


def upgrade() -> None:
    """Make the index."""
    op.create_index(INDEX, "mo_studies", ["project", "sealed_bank", "sealed_looks"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(INDEX, table_name="mo_studies")
