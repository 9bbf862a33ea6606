"""Sums of a merchant's reports, so that a statement does not add up all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "report_totals",
        sa.Column(
            "merchant",
            sa.LargeBinary,
            sa.ForeignKey("merchants.fingerprint"),
            primary_key=True,
        ),
        *(
            sa.Column(name, _INT, nullable=False)
            for name in ("until", "settled", "fees", "back", "given_back")
        ),
    )
