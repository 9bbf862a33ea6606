"""The tables of vouchers and invitations."""

from typing import Final

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, Table, Text, text

from veilmart.broker.schema.tables import metadata, transactions
from veilmart.storage.database.columns import Integer

ISSUED: Final = "issued"
REDEEMED: Final = "redeemed"
VOID: Final = "void"

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
