"""Indexes for what duties and requests look for in tables that grow."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

INDEXES = {
    "accounts_by_kind": ("accounts", ["kind"]),
    "devices_by_use": ("devices", ["last_used"]),
    "guesses_by_end": ("guesses", ["not_before"]),
    "withdrawals_by_end": ("withdrawals", ["ended_at"]),
    "disputes_by_outcome": ("disputes", ["outcome", "at"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
