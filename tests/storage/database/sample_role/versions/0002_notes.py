"""Notes on decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "note",
        sa.Column("number", sa.Integer, sa.ForeignKey("decision.number"), primary_key=True),
        sa.Column("text", sa.Text, nullable=False, unique=True),
    )
