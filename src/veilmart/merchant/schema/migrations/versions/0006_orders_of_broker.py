"""An index for the broker that an order names."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("orders_of_broker", "orders", ["broker"])
