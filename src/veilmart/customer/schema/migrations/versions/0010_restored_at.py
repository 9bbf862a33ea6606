"""At which brokers a wallet that came from its words was restored."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("restored_at", sa.Column("broker", sa.LargeBinary(32), primary_key=True))
