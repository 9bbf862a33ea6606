"""After a restore nobody knows which codes were sold since the backup."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    column = sa.Column("unconfirmed", _INT, nullable=False, server_default=sa.text("0"))
    op.add_column("codes", column)
