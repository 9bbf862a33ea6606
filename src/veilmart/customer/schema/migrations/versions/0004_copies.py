"""What is fetched again: the version that was bought, or a newer one."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "copies",
        sa.Column("order", sa.LargeBinary(32), sa.ForeignKey("orders.order"), primary_key=True),
        sa.Column("root", sa.LargeBinary(32), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("due_at", sa.Integer, nullable=False),
        sa.Column("out_folder", sa.String, nullable=False),
        sa.Column("pieces", sa.LargeBinary, nullable=False),
        sa.Column("changed_at", sa.Integer, nullable=False),
        sa.Column("file_path", sa.String),
    )
