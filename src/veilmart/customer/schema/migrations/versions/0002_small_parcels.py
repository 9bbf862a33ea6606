"""Small parcels are kept in the wallet's database."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "parcels",
        sa.Column("order", sa.LargeBinary(32), sa.ForeignKey("orders.order"), primary_key=True),
        sa.Column("segment", sa.LargeBinary, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("parcels")
