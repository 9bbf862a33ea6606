"""Covers and samples that were fetched."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "showcases",
        sa.Column("merchant", sa.LargeBinary(32), primary_key=True),
        sa.Column("shelf", sa.Integer, primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("blob", sa.LargeBinary, nullable=False),
    )
