"""Tokens that are being exchanged for fresh ones before they end."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exchanges",
        sa.Column("token", sa.Integer, primary_key=True),
        sa.Column("spend", sa.LargeBinary, nullable=False),
    )
