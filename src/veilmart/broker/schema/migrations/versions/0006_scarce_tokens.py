"""A token key whose outstanding tokens are few has them taken one by one (PostgreSQL)."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    scarce = sa.Column("scarce", _INT, nullable=False, server_default=sa.text("1"))
    op.add_column("token_keys", scarce)
