"""The tables of the operator: merchants' requests, cash, logins that a command ended."""

from typing import Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from veilmart.broker.schema.tables import metadata
from veilmart.storage.database.columns import Integer

ASKED: Final = "asked"
PAID: Final = "paid"
DECLINED: Final = "declined"

# signed: the JoinRequest as sent.
join_requests = Table(
    "join_requests",
    metadata,
    Column("fingerprint", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("signed", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
)

withdrawals = Table(
    "withdrawals",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("merchant", ForeignKey("merchants.fingerprint"), nullable=False),
    Column("amount", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("ended_at", Integer),
    Column("unconfirmed", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('asked', 'paid', 'declined')", name="withdrawal_state"),
    Index("withdrawals_of_merchant", "merchant", "state"),
    Index("withdrawals_by_end", "ended_at"),
)

# What makes a payment in cash the same one. id: hash of its kind and reference (32 bytes). entry:
# its transaction, which is gone once it was folded; the id stays, so nothing is ever paid twice.
cash_references = Table(
    "cash_references",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("entry", Integer, nullable=False),
)

# A running broker ends the sessions of these accounts; each row is acted on once per process.
ended_logins = Table(
    "ended_logins",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", ForeignKey("customers.account"), nullable=False),
    Column("at", Integer, nullable=False),
    Index("ended_logins_of_account", "account"),
    sqlite_autoincrement=True,
)

# Sums of a merchant's reports up to the number `until` (operator/running_totals.py).
report_totals = Table(
    "report_totals",
    metadata,
    Column("merchant", ForeignKey("merchants.fingerprint"), primary_key=True),
    Column("until", Integer, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("fees", Integer, nullable=False),
    Column("back", Integer, nullable=False),
    Column("given_back", Integer, nullable=False),
)
