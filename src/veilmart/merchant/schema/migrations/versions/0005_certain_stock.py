"""Stock of codes as if every order had been for every product; the code to sell by its root."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What was sold before counts for its own product, as at a recount."""
    for table, name in (
        ("products", "counted"),
        ("products", "counted_at"),
        ("shelves", "orders"),
        ("codes", "number"),
    ):
        op.add_column(table, sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    op.execute(
        "UPDATE products SET counted = (SELECT count(*) FROM codes"
        " WHERE codes.product = products.id AND codes.state <> 'free') WHERE codes"
    )
    free = sa.text("state = 'free'")
    op.create_index(
        "codes_to_sell", "codes", ["product", "root"], sqlite_where=free, postgresql_where=free
    )
