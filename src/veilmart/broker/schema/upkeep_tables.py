"""The tables of upkeep: duties, findings that were signed off, folded months."""

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, Text

from veilmart.broker.schema.tables import metadata
from veilmart.storage.database.columns import Integer

# What the broker does by itself, as last written down by the worker that does it. done_at: when
# it last succeeded. failing_since: when it first failed after that. Times are Unix seconds.
duties = Table(
    "duties",
    metadata,
    Column("name", Text, primary_key=True),
    Column("done_at", Integer),
    Column("failing_since", Integer),
    Column("error", Text, nullable=False),
)

# Findings of the audit that the operator has looked at: they no longer keep months from being
# folded. digest: SHA-256 of name, row and sentence, so that another fault of the same row is new.
signed_off = Table(
    "signed_off",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("name", Text, nullable=False),
    Column("row", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Integer, nullable=False),
)

# One row for each folded month. entry: the transaction that stands for all of its postings, if they
# left anything. settled, refunded: how many orders. statement: signed by our identity.
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
    Index("folds_by_month", "until", "id"),
)
