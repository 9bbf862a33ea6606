"""Orders keep their signed offer, so that a restored wallet can recall it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("offer", sa.LargeBinary, nullable=True))
