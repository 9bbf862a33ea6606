"""Whether an order is for a licence key, which is shown as well as saved."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("codes", sa.Boolean, nullable=False, server_default="0"))
