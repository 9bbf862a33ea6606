"""Evidence on its way, how disputes were decided, money that merchants give back."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_BLOB, _TEXT = sa.LargeBinary, sa.Text
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "evidence_parts",
        sa.Column("order", _BLOB, sa.ForeignKey("invoices.order"), primary_key=True),
        sa.Column("part", _INT, primary_key=True, autoincrement=False),
        _column("data", _BLOB),
        _column("at", _INT),
    )
    op.create_index("evidence_parts_by_age", "evidence_parts", ["at"])
    op.create_table(
        "disputes",
        sa.Column("order", _BLOB, sa.ForeignKey("invoices.order"), primary_key=True),
        _column("reason", _TEXT),
        _column("index", _INT),
        _column("outcome", _TEXT),
        _column("finding", _TEXT),
        _column("hash", _BLOB),
        _column("at", _INT),
        sa.CheckConstraint("outcome IN ('won', 'refused')", name="dispute_outcome"),
    )
    op.create_index(
        "once_given_back",
        "transactions",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("kind = 'give back'"),
        postgresql_where=sa.text("kind = 'give back'"),
    )


def _column(name: str, kind: Any) -> Any:
    return sa.Column(name, kind, nullable=False)
