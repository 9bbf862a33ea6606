"""A shop knows that it was restored."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "shop", sa.Column("restored", sa.Integer, nullable=False, server_default=sa.text("0"))
    )
