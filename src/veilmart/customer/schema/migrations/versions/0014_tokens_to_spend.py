"""The token to spend is found by its key, its state and its age."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("tokens_to_spend", "tokens", ["key", "state", "got_at"])
