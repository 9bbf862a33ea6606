"""When an expired offer is forgotten is stored with it, so that an index finds it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("forget_at", sa.BigInteger, nullable=True))
    op.execute(
        "UPDATE orders SET forget_at = ended_at + 86400 + coalesce("
        "(SELECT deliver_within FROM shelves WHERE shelves.id = orders.shelf), 0) "
        "WHERE state = 'expired'"
    )
    op.drop_index("orders_expired", "orders")
    expired = sa.text("state = 'expired'")
    op.create_index(
        "orders_to_forget",
        "orders",
        ["forget_at"],
        sqlite_where=expired,
        postgresql_where=expired,
    )
