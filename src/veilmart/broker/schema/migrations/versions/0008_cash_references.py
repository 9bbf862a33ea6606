"""References of payments in cash; what a restored broker does not know any more."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    for table in ("vouchers", "withdrawals"):
        op.add_column(
            table, sa.Column("unconfirmed", _INT, nullable=False, server_default=sa.text("0"))
        )
    op.create_table(
        "cash_references",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("entry", _INT, nullable=False),
    )
