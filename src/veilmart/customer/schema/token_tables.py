"""The tables of a wallet that has a seed: its state, token keys, withdrawals, tokens; two views.

A token is (key, where its secrets come from, blind signature). That is worth nothing without the
seed, which lies sealed beside the database (seed_file.py).
"""

from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from veilmart.customer.schema.tables import metadata

# One row once there is a seed. wallet: the random wallet id. state: "current", or why not.
seeded_wallet = Table(
    "seeded_wallet",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("wallet", LargeBinary(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("next_order", Integer, nullable=False),
    Column("refill_second", Integer, nullable=False),
)

# Brokers whose lists a wallet that came from its words has read; empty where the words were drawn
# on this machine.
restored_at = Table(
    "restored_at",
    metadata,
    Column("broker", LargeBinary(32), primary_key=True),
)

# One row once a proxy was set; it holds for every connection of this wallet.
network = Table(
    "network",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("proxy", String(300), nullable=False),
)

token_keys = Table(
    "token_keys",
    metadata,
    Column("key", LargeBinary(32), primary_key=True),
    Column("broker", LargeBinary(32), nullable=False),
    Column("price", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("spki", LargeBinary, nullable=False),
)

# Stored before it is asked for; the request can be sent again without the seed.
withdrawals = Table(
    "withdrawals",
    metadata,
    Column("request", LargeBinary(16), primary_key=True),
    Column("broker", LargeBinary(32), nullable=False),
    Column("account", String(64), nullable=False),
    Column("key", LargeBinary(32), nullable=False),
    Column("first", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("blinded", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("answer", LargeBinary),
    UniqueConstraint("broker", "account", "key", "first"),
)

# A token comes from a withdrawal (account, counter) or is an order's refund (order_key).
# order: the one it was ever shown for.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("broker", LargeBinary(32), nullable=False),
    Column("key", LargeBinary(32), nullable=False),
    Column("account", String(64)),
    Column("counter", Integer),
    Column("order_key", LargeBinary(32), unique=True),
    Column("signature", LargeBinary(256), nullable=False),
    Column("state", String(16), nullable=False),
    Column("order", LargeBinary(32)),
    Column("got_at", Integer, nullable=False),
    UniqueConstraint("key", "account", "counter"),
    Index("tokens_to_spend", "key", "state", "got_at"),
)

# What is kept in stock: a pack of this many, refilled at the wallet's time of day.
stocks = Table(
    "stocks",
    metadata,
    Column("broker", LargeBinary(32), primary_key=True),
    Column("price", Integer, primary_key=True),
    Column("pack", Integer, nullable=False),
    Column("refilled_on", Integer, nullable=False),
)

# Orders of a restored wallet that are known by their key alone. number: that of the order key.
lost_orders = Table(
    "lost_orders",
    metadata,
    Column("broker", LargeBinary(32), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("order_key", LargeBinary(32), nullable=False),
)

# A token that is being exchanged for a fresh one: what was sent, to be sent again (a `Spend`).
exchanges = Table(
    "exchanges",
    metadata,
    Column("token", Integer, primary_key=True),
    Column("spend", LargeBinary, nullable=False),
)

# When the work of an anonymous identity is due. kind: "order" or "refund", subject: the order;
# or kind "exchange", subject: the first 32 bytes of the token's signature.
errands = Table(
    "errands",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("subject", LargeBinary(32), primary_key=True),
    Column("due_at", Integer, nullable=False),
)

# Descriptors that were shown. view: "account" or "anonymous".
seen_descriptors = Table(
    "seen_descriptors",
    metadata,
    Column("view", String(16), primary_key=True),
    Column("party", LargeBinary(32), primary_key=True),
    Column("serial", Integer, primary_key=True),
    Column("not_before", Integer, nullable=False),
    Column("signed", LargeBinary, nullable=False),
)

# The catalogue that the anonymous connections saw last. kind: "catalogue".
anonymous_view = Table(
    "anonymous_view",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("party", LargeBinary(32), primary_key=True),
    Column("signed", LargeBinary, nullable=False),
    Column("signing_key", LargeBinary(32)),
    Column("certificate", LargeBinary),
)

# Two signed documents that contradict each other. stops: whether they still stop the wallet.
proofs = Table(
    "proofs",
    metadata,
    Column("hash", LargeBinary(32), primary_key=True),
    Column("party", LargeBinary(32), nullable=False),
    Column("made_at", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("stops", Integer, nullable=False),
)
