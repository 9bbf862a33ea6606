"""Orders are read from the newest to the oldest without sorting them."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("orders_by_time", "orders", ["made_at", "order"])
