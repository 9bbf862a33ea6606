"""When the work of each anonymous identity is due."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "errands",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("subject", sa.LargeBinary(32), primary_key=True),
        sa.Column("due_at", sa.Integer, nullable=False),
    )
