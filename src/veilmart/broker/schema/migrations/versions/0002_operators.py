"""Vouchers, invitations, fees, requests of merchants, disabled accounts, folded months."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_BLOB, _TEXT = sa.LargeBinary, sa.Text
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_RAISE = """
CREATE OR REPLACE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT 1 FROM settings WHERE name = 'folding') THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def upgrade() -> None:
    op.add_column("customers", _number("disabled"))
    op.add_column("invoices", _number("fee"))
    _codes()
    _merchants()
    op.create_table(
        "ended_logins",
        sa.Column("id", _INT, primary_key=True),
        _column("account", _INT, sa.ForeignKey("customers.account")),
        _column("at", _INT),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "folds",
        sa.Column("id", _INT, primary_key=True),
        sa.Column("entry", _INT, sa.ForeignKey("transactions.id")),
        _column("until", _INT),
        _column("settled", _INT),
        _column("settled_amount", _INT),
        _column("settled_fees", _INT),
        _column("refunded", _INT),
        _column("statement", _BLOB),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_RAISE)
    else:
        _let_folding_delete()


def _column(name: str, kind: Any, *rest: Any) -> Any:
    return sa.Column(name, kind, *rest, nullable=False)


def _number(name: str) -> Any:
    return sa.Column(name, _INT, nullable=False, server_default=sa.text("0"))


def _codes() -> None:
    op.create_table(
        "vouchers",
        sa.Column("hash", _BLOB, primary_key=True),
        _column("batch", _INT),
        _column("value", _INT),
        _column("state", _TEXT),
        _column("issued_at", _INT),
        sa.Column("ended_at", _INT),
        sa.CheckConstraint("state IN ('issued', 'redeemed', 'void')", name="voucher_state"),
        sa.CheckConstraint("value > 0", name="voucher_value"),
    )
    op.create_index("vouchers_of_batch", "vouchers", ["batch"])
    op.create_table(
        "invitations",
        sa.Column("hash", _BLOB, primary_key=True),
        _column("batch", _INT),
        _column("issued_at", _INT),
    )
    op.create_index(
        "once_per_voucher",
        "transactions",
        ["reference"],
        unique=True,
        sqlite_where=sa.text("kind IN ('redeem', 'void')"),
        postgresql_where=sa.text("kind IN ('redeem', 'void')"),
    )


def _merchants() -> None:
    op.create_table(
        "join_requests",
        sa.Column("fingerprint", _BLOB, primary_key=True),
        _column("name", _TEXT),
        _column("address", _TEXT),
        _column("signed", _BLOB),
        _column("at", _INT),
    )
    op.create_table(
        "withdrawals",
        sa.Column("id", _BLOB, primary_key=True),
        _column("merchant", _BLOB, sa.ForeignKey("merchants.fingerprint")),
        _column("amount", _INT),
        _column("note", _TEXT),
        _column("state", _TEXT),
        _column("at", _INT),
        sa.Column("ended_at", _INT),
        sa.CheckConstraint("state IN ('asked', 'paid', 'declined')", name="withdrawal_state"),
    )


def _let_folding_delete() -> None:
    """The books still only grow, except inside the one transaction that folds a month."""
    for table in ("transactions", "postings"):
        op.execute(f"DROP TRIGGER {table}_no_delete")
        unless = "NOT EXISTS (SELECT 1 FROM settings WHERE name = 'folding')"
        op.execute(
            f"CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} WHEN {unless} "
            f"BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
        )
