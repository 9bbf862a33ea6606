"""What delivery found wrong with an order."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "faults",
        sa.Column("order", sa.LargeBinary(32), sa.ForeignKey("orders.order"), primary_key=True),
        sa.Column("what", sa.String(300), nullable=False),
    )
