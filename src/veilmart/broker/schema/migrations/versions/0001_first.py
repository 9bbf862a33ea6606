"""The first tables, the three accounts every broker has, and books that only grow."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BLOB, _TEXT = sa.LargeBinary, sa.Text
# SQLite's INTEGER has 64 bits and numbers rows; PostgreSQL's has 32.
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _operator()
    _ledger()
    _customers()
    _merchants()
    _orders()
    accounts = sa.table("accounts", sa.column("id"), sa.column("kind"))
    op.bulk_insert(
        accounts,
        [{"id": 1, "kind": "cash"}, {"id": 2, "kind": "escrow"}, {"id": 3, "kind": "fees"}],
    )
    if op.get_bind().dialect.name == "postgresql":
        # Numbers given by hand do not move the sequence along.
        op.execute("SELECT setval(pg_get_serial_sequence('accounts', 'id'), 3)")
        op.execute(_RAISE)
    for table in ("transactions", "postings"):
        _let_only_grow(table)


_RAISE = """
CREATE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% only grows', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def _let_only_grow(table: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            f"CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION only_grows()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} only grows'); END"
        )


def _column(name: str, kind: Any, *rest: Any) -> Any:
    return sa.Column(name, kind, *rest, nullable=False)


def _operator() -> None:
    op.create_table("settings", sa.Column("name", _TEXT, primary_key=True), _column("value", _BLOB))
    op.create_table(
        "price_points", sa.Column("amount", _INT, primary_key=True, autoincrement=False)
    )
    op.create_table(
        "descriptors",
        sa.Column("serial", _INT, primary_key=True, autoincrement=False),
        _column("signed", _BLOB),
        _column("not_after", _INT),
        sa.Column("secrets", _BLOB),
    )


def _ledger() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", _INT, primary_key=True),
        _column("kind", _TEXT),
        sa.Column("balance", _INT, nullable=False, server_default=sa.text("0")),
        sa.CheckConstraint("balance >= 0 OR kind = 'cash'", name="none_but_cash_below_zero"),
    )
    op.create_table(
        "transactions",
        sa.Column("id", _INT, primary_key=True),
        _column("kind", _TEXT),
        _column("reference", _BLOB),
        _column("at", _INT),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "once_per_order",
        "transactions",
        ["reference", sa.text("(CASE kind WHEN 'refund' THEN 'settle' ELSE kind END)")],
        unique=True,
        sqlite_where=sa.text("kind IN ('hold', 'settle', 'refund')"),
        postgresql_where=sa.text("kind IN ('hold', 'settle', 'refund')"),
    )
    op.create_table(
        "postings",
        sa.Column("id", _INT, primary_key=True),
        _column("entry", _INT, sa.ForeignKey("transactions.id")),
        _column("account", _INT, sa.ForeignKey("accounts.id")),
        _column("amount", _INT),
    )
    op.create_index("postings_of_entry", "postings", ["entry"])
    op.create_table(
        "pending_moves",
        sa.Column("id", _INT, primary_key=True),
        _column("account", _INT),
        _column("amount", _INT),
    )
    op.create_index("pending_moves_of_account", "pending_moves", ["account"])


def _customers() -> None:
    op.create_table(
        "customers",
        sa.Column("account", _INT, sa.ForeignKey("accounts.id"), primary_key=True),
        sa.Column("username", _TEXT, nullable=False, unique=True),
        _column("password_hash", _TEXT),
    )
    op.create_table(
        "devices",
        sa.Column("hash", _BLOB, primary_key=True),
        _column("account", _INT, sa.ForeignKey("customers.account")),
        _column("last_used", _INT),
    )
    op.create_index("devices_of_account", "devices", ["account"])
    op.create_table(
        "guesses",
        sa.Column("name", _BLOB, primary_key=True),
        _column("failures", _INT),
        _column("not_before", _INT),
    )


def _merchants() -> None:
    op.create_table(
        "merchants",
        sa.Column("fingerprint", _BLOB, primary_key=True),
        _column("name", _TEXT),
        _column("address", _TEXT),
        _column("state", _TEXT),
        _column("account", _INT, sa.ForeignKey("accounts.id")),
        sa.Column("last_sequence", _INT, nullable=False, server_default=sa.text("0")),
        sa.CheckConstraint("state IN ('admitted', 'suspended')", name="merchant_state"),
    )
    op.create_table(
        "merchant_descriptors",
        sa.Column("merchant", _BLOB, sa.ForeignKey("merchants.fingerprint"), primary_key=True),
        sa.Column("serial", _INT, primary_key=True, autoincrement=False),
        _column("signed", _BLOB),
        _column("not_after", _INT),
    )
    op.create_table(
        "reports",
        sa.Column("merchant", _BLOB, sa.ForeignKey("merchants.fingerprint"), primary_key=True),
        sa.Column("sequence", _INT, primary_key=True),
        _column("order", _BLOB),
        _column("event", _TEXT),
        _column("at", _INT),
        sa.Column("delivered", _INT, nullable=False, server_default=sa.text("0")),
    )
    op.create_index(
        "reports_waiting",
        "reports",
        ["merchant", "sequence"],
        sqlite_where=sa.text("delivered = 0"),
        postgresql_where=sa.text("delivered = 0"),
    )
    op.create_table(
        "pending_reports",
        sa.Column("id", _INT, primary_key=True),
        _column("merchant", _BLOB),
        _column("order", _BLOB),
        _column("event", _TEXT),
        _column("at", _INT),
    )
    op.create_index("pending_reports_of_merchant", "pending_reports", ["merchant"])


def _orders() -> None:
    op.create_table(
        "invoices",
        sa.Column("order", _BLOB, primary_key=True),
        _column("merchant", _BLOB, sa.ForeignKey("merchants.fingerprint")),
        _column("signed", _BLOB),
        _column("amount", _INT),
        _column("order_key", _BLOB),
        _column("deliver_within", _INT),
        _column("settle_within", _INT),
        _column("state", _TEXT),
        _column("due", _INT),
        sa.Column("held_at", _INT),
        sa.Column("hold", _INT, sa.ForeignKey("transactions.id")),
    )
    op.create_index(
        "invoices_due",
        "invoices",
        ["due"],
        sqlite_where=sa.text("state IN ('offered', 'held', 'released', 'expired')"),
        postgresql_where=sa.text("state IN ('offered', 'held', 'released', 'expired')"),
    )
    op.create_table(
        "operations",
        sa.Column("id", _BLOB, primary_key=True),
        _column("order", _BLOB),
        _column("body", _BLOB),
        _column("answer", _BLOB),
        _column("at", _INT),
    )
    op.create_index("operations_by_age", "operations", ["at"])
