"""The tables behind disputes; migrations/versions/0004_disputes.py makes them."""

from typing import Final

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, LargeBinary, Table, Text, text

from veilmart.broker.schema.tables import metadata, transactions
from veilmart.storage.database.columns import Integer

WON: Final = "won"
REFUSED: Final = "refused"

# Parts of evidence on their way, until the dispute is decided or a day has passed.
evidence_parts = Table(
    "evidence_parts",
    metadata,
    Column("order", ForeignKey("invoices.order"), primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
    Index("evidence_parts_by_age", "at"),
)

# One row for each disputed order: how its last dispute was decided. index: of the segment.
# finding: a sentence. hash: SHA-256 of the evidence, which is not kept itself.
disputes = Table(
    "disputes",
    metadata,
    Column("order", ForeignKey("invoices.order"), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("index", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("finding", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
    CheckConstraint("outcome IN ('won', 'refused')", name="dispute_outcome"),
    Index("disputes_by_outcome", "outcome", "at"),
)
# The merchant's signed request behind every refund that it made itself. The table's name in the
# database is that of version 0.1.
signed_refunds = Table(
    "refund_papers",
    metadata,
    Column("order", ForeignKey("invoices.order"), primary_key=True),
    Column("signed", LargeBinary, nullable=False),
    Column("at", Integer, nullable=False),
)
# What a merchant had already is given back once, whatever the code does.
Index(
    "once_given_back",
    transactions.c.reference,
    unique=True,
    sqlite_where=text("kind = 'give back'"),
    postgresql_where=text("kind = 'give back'"),
)
