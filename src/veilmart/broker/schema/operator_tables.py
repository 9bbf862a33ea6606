"""The tables behind the operator's commands; migrations/versions/0002_operators.py makes them."""

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

from veilmart.broker.schema.tables import metadata, transactions
from veilmart.storage.database.columns import Integer

ISSUED: Final = "issued"
REDEEMED: Final = "redeemed"
VOID: Final = "void"
ASKED: Final = "asked"
PAID: Final = "paid"
DECLINED: Final = "declined"

# unconfirmed: 1 after a restore, until the operator says what happened to it since the backup.
# Of a code only the hash (32 bytes) is kept. Who redeemed it is known from the postings of its
# "redeem" transaction until they are folded.
vouchers = Table(
    "vouchers",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("value", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("issued_at", Integer, nullable=False),
    Column("ended_at", Integer),
    Column("unconfirmed", Integer, nullable=False, server_default=text("0")),
    CheckConstraint("state IN ('issued', 'redeemed', 'void')", name="voucher_state"),
    CheckConstraint("value > 0", name="voucher_value"),
    Index("vouchers_of_batch", "batch"),
    Index("vouchers_by_end", "ended_at"),
)
# A voucher gives its money once, whatever the code does.
Index(
    "once_per_voucher",
    transactions.c.reference,
    unique=True,
    sqlite_where=text("kind IN ('redeem', 'void')"),
    postgresql_where=text("kind IN ('redeem', 'void')"),
)

# A used invitation is deleted: nothing says who came by which.
invitations = Table(
    "invitations",
    metadata,
    Column("hash", LargeBinary, primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("issued_at", Integer, nullable=False),
)

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

# One row for each folded month, or part of a busy one. entry: the transaction that stands for all
# of its postings, if they left anything.
# settled, refunded: how many orders. statement: signed by our identity.
folds = Table(
    "folds",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("entry", ForeignKey("transactions.id")),
    Column("until", Integer, nullable=False),
    Column("settled", Integer, nullable=False),
    Column("settled_amount", Integer, nullable=False),
    Column("settled_fees", Integer, nullable=False),
    Column("refunded", Integer, nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Index("folds_by_entry", "entry"),
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
