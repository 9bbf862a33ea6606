"""An index for every column that names a row of another table, and for what folding looks up."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "postings_of_account": ("postings", ["account", "amount"]),
    "invoices_by_hold": ("invoices", ["hold"]),
    "invoices_of_merchant": ("invoices", ["merchant", "state"]),
    "merchants_by_account": ("merchants", ["account"]),
    "reports_of_order": ("reports", ["order"]),
    "vouchers_by_end": ("vouchers", ["ended_at"]),
    "withdrawals_of_merchant": ("withdrawals", ["merchant", "state"]),
    "ended_logins_of_account": ("ended_logins", ["account"]),
    "folds_by_entry": ("folds", ["entry"]),
    "token_keys_by_account": ("token_keys", ["account"]),
    "spent_tokens_of_account": ("spent_tokens", ["account"]),
    "spent_tokens_by_refund_key": ("spent_tokens", ["refund_key"]),
}


def upgrade() -> None:
    for name, (table, columns) in INDEXES.items():
        op.create_index(name, table, columns)
