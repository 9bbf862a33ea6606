"""The hash of a product's description when it was bought, to say what a newer version changed."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("orders", sa.Column("described", sa.LargeBinary(32)))
