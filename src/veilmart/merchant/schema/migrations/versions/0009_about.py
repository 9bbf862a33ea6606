"""The shop's line about itself, which its descriptor carries."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shop", sa.Column("about", sa.Text, nullable=False, server_default=""))
