"""The wallet's tables: pins, logins and purchases.

Everything here is on the customer's own machine. A purchase is one row of `orders`. A parcel of
one small sealed segment is a row of `parcels` from the HELD commit to the DONE commit, so it costs
no commit and no sync of its own; larger ones are files beside the database (parcels.py).
"""

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
)

from veilmart.customer.schema.padded_text import PaddedText

metadata = MetaData()

brokers = Table(
    "brokers",
    metadata,
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("url", String(300), nullable=False),
    Column("descriptor", LargeBinary, nullable=False),
    Column("joined_at", Integer, nullable=False),
)

merchants = Table(
    "merchants",
    metadata,
    Column("broker", LargeBinary(32), ForeignKey("brokers.fingerprint"), primary_key=True),
    Column("fingerprint", LargeBinary(32), primary_key=True),
    Column("descriptor", LargeBinary),
    Column("joined_at", Integer, nullable=False),
)

logins = Table(
    "logins",
    metadata,
    Column("broker", LargeBinary(32), ForeignKey("brokers.fingerprint"), primary_key=True),
    Column("username", String(64), nullable=False),
    Column("device", LargeBinary(32), nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("order", LargeBinary(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("broker", LargeBinary(32), nullable=False),
    Column("merchant", LargeBinary(32), nullable=False),
    Column("broker_descriptor", LargeBinary, nullable=False),
    Column("merchant_descriptor", LargeBinary, nullable=False),
    Column("offer", LargeBinary, nullable=False),
    Column("escrow_key", LargeBinary(32), nullable=False),
    Column("order_seed", LargeBinary(32), nullable=False),
    Column("product", LargeBinary(16), nullable=False),
    Column("title", PaddedText(1024), nullable=False),
    Column("file_name", PaddedText(256), nullable=False),
    Column("version", Integer, nullable=False),
    Column("pieces", LargeBinary, nullable=False),
    Column("out_folder", String, nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("changed_at", Integer, nullable=False),
    Column("receipt", LargeBinary),
    Column("invoice", LargeBinary),
    Column("content_key", LargeBinary(32)),
    Column("file_path", PaddedText(1024)),
    Column("spend", LargeBinary),
    Column("described", LargeBinary(32)),
    Column("codes", Boolean, nullable=False, server_default="0"),
    Index("orders_by_state", "state"),
    Index("orders_by_time", "made_at", "order"),
    Index("orders_by_product", "merchant", "product"),
)

parcels = Table(
    "parcels",
    metadata,
    Column("order", LargeBinary(32), ForeignKey("orders.order"), primary_key=True),
    Column("segment", LargeBinary, nullable=False),
)

# What delivery found wrong with an order that the merchant signed, until the order ends.
faults = Table(
    "faults",
    metadata,
    Column("order", LargeBinary(32), ForeignKey("orders.order"), primary_key=True),
    Column("what", String(300), nullable=False),
)

# What an order paid for, fetched again: one row for each version.
copies = Table(
    "copies",
    metadata,
    Column("order", LargeBinary(32), ForeignKey("orders.order"), primary_key=True),
    Column("root", LargeBinary(32), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("due_at", Integer, nullable=False),
    Column("out_folder", String, nullable=False),
    Column("pieces", LargeBinary, nullable=False),
    Column("changed_at", Integer, nullable=False),
    Column("file_path", PaddedText(1024)),
)
