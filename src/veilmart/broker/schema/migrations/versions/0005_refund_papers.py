"""Merchants' signed refunds are kept: the audit asks why money went back."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "refund_papers",
        sa.Column("order", sa.LargeBinary, sa.ForeignKey("invoices.order"), primary_key=True),
        sa.Column("signed", sa.LargeBinary, nullable=False),
        sa.Column("at", _INT, nullable=False),
    )
