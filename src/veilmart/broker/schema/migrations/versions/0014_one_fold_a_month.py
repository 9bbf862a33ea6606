"""A fold looks for its month, and for the month's posting of an account."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("postings_of_entry", "postings")
    op.create_index("postings_of_entry", "postings", ["entry", "account"])
    op.create_index("folds_by_month", "folds", ["until", "id"])
