"""The broker's tables (docs/protocol/09-purchase.md, 9.6).

Amounts are integers in minor units, times Unix seconds, fingerprints and order names 32 bytes.
An invoice names no customer: who paid is known only through the postings of its hold transaction.
"""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    text,
)

from veilmart.storage.database.columns import Integer

metadata = MetaData()

CASH: Final = 1
ESCROW: Final = 2
FEES: Final = 3

settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

price_points = Table(
    "price_points", metadata, Column("amount", Integer, primary_key=True, autoincrement=False)
)

# Tunnel private keys are erased as soon as nobody may use them any more.
descriptors = Table(
    "descriptors",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("signed", LargeBinary, nullable=False),
    Column("not_after", Integer, nullable=False),
    Column("secrets", LargeBinary),
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("balance", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("balance >= 0 OR kind = 'cash'", name="none_but_cash_below_zero"),
)

Index("accounts_by_kind", accounts.c.kind)

transactions = Table(
    "transactions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("reference", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
    sqlite_autoincrement=True,
)
# Money of one order is held once, and settled or refunded once, whatever the code does.
Index(
    "once_per_order",
    transactions.c.reference,
    text("(CASE kind WHEN 'refund' THEN 'settle' ELSE kind END)"),
    unique=True,
    sqlite_where=text("kind IN ('hold', 'settle', 'refund')"),
    postgresql_where=text("kind IN ('hold', 'settle', 'refund')"),
)

# "transaction" is a keyword of SQL; "entry" is the number of the transaction.
postings = Table(
    "postings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry", ForeignKey("transactions.id"), nullable=False),
    Column("account", ForeignKey("accounts.id"), nullable=False),
    Column("amount", Integer, nullable=False),
)
Index("postings_of_entry", postings.c.entry, postings.c.account)
Index("postings_of_account", postings.c.account, postings.c.amount)

# Moves still to be added to balances that every purchase would write (PostgreSQL only).
pending_moves = Table(
    "pending_moves",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Integer, nullable=False),
    Column("amount", Integer, nullable=False),
)
Index("pending_moves_of_account", pending_moves.c.account)

customers = Table(
    "customers",
    metadata,
    Column("account", ForeignKey("accounts.id"), primary_key=True),
    Column("username", Text, nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("disabled", Integer, nullable=False, server_default=text("0")),
)

# One for each customer; see protocol/name_key.py.
name_keys = Table(
    "name_keys",
    metadata,
    Column("key", Text, primary_key=True),
    Column("account", ForeignKey("accounts.id"), nullable=False),
)
Index("name_keys_of_account", name_keys.c.account)

devices = Table(
    "devices",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("account", ForeignKey("customers.account"), nullable=False),
    Column("last_used", Integer, nullable=False),
)
Index("devices_of_account", devices.c.account)
Index("devices_by_use", devices.c.last_used)

guesses = Table(
    "guesses",
    metadata,
    Column("name", LargeBinary, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("not_before", Integer, nullable=False),
)

Index("guesses_by_end", guesses.c.not_before)

merchants = Table(
    "merchants",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("account", ForeignKey("accounts.id"), nullable=False),
    Column("last_sequence", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('admitted', 'suspended')", name="merchant_state"),
)

Index("merchants_by_account", merchants.c.account)

merchant_descriptors = Table(
    "merchant_descriptors",
    metadata,
    Column("merchant", ForeignKey("merchants.fingerprint"), primary_key=True),
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("signed", LargeBinary, nullable=False),
    Column("not_after", Integer, nullable=False),
)

# due: when the state changes by itself. `hold` is the transaction that took the money, until it
# is folded. fee: the broker's share of the amount, fixed with the invoice.
invoices = Table(
    "invoices",
    metadata,
    Column("order", LargeBinary, primary_key=True),
    Column("merchant", ForeignKey("merchants.fingerprint"), nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("order_key", LargeBinary, nullable=False),
    Column("deliver_within", Integer, nullable=False),
    Column("settle_within", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("due", Integer, nullable=False),
    Column("held_at", Integer),
    Column("hold", ForeignKey("transactions.id")),
    Column("fee", Integer, nullable=False, server_default=text("0")),
)
Index(
    "invoices_due",
    invoices.c.due,
    sqlite_where=text("state IN ('offered', 'held', 'released', 'expired')"),
    postgresql_where=text("state IN ('offered', 'held', 'released', 'expired')"),
)
Index("invoices_by_order_key", invoices.c.order_key)
Index("invoices_by_hold", invoices.c.hold)
Index("invoices_of_merchant", invoices.c.merchant, invoices.c.state)

operations = Table(
    "operations",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("order", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
)
Index("operations_by_age", operations.c.at)

reports = Table(
    "reports",
    metadata,
    Column("merchant", ForeignKey("merchants.fingerprint"), primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("order", LargeBinary, nullable=False),
    Column("event", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("delivered", Integer, nullable=False, server_default=text("0")),
)
Index(
    "reports_waiting",
    reports.c.merchant,
    reports.c.sequence,
    sqlite_where=text("delivered = 0"),
    postgresql_where=text("delivered = 0"),
)

Index("reports_of_order", reports.c.order)

# Reports that are not numbered yet (PostgreSQL only).
pending_reports = Table(
    "pending_reports",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("merchant", LargeBinary, nullable=False),
    Column("order", LargeBinary, nullable=False),
    Column("event", Text, nullable=False),
    Column("at", Integer, nullable=False),
)
Index("pending_reports_of_merchant", pending_reports.c.merchant)
