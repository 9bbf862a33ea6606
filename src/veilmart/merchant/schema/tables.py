"""The merchant's tables. Nothing in them is about a customer, not even a request number.

Times are Unix seconds, amounts minor units, sizes bytes. Hashes, ids and keys are as on the wire.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from veilmart.storage.database.columns import Integer

metadata: Final = MetaData()

SHOP_ROW: Final = 1
SIGNING: Final = 0
"""The `suite` of a key set's signing seed; tunnel keys have their suite's id."""

shop = Table(
    "shop",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("decimals", Integer, nullable=False),
    # Grows with every change that the running server has to notice.
    Column("revision", Integer, nullable=False),
    # 1 after a restore, until descriptors with far higher serials are made.
    Column("restored", Integer, nullable=False, server_default=text("0")),
    # One line that brokers list beside the name; empty for none.
    Column("about", Text, nullable=False, server_default=""),
    CheckConstraint("id = 1", name="one_row"),
)

brokers = Table(
    "brokers",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("descriptor", LargeBinary, nullable=False),
    Column("balance", Integer, nullable=False),
    Column("reported", Integer, nullable=False),
)
"""descriptor: the newest signed one seen. reported: sequence of the last report entry."""

shelves = Table(
    "shelves",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("price", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("pay_within", Integer, nullable=False),
    Column("deliver_within", Integer, nullable=False),
    Column("settle_within", Integer, nullable=False),
    Column("codes", Boolean, nullable=False),
    Column("window", Integer, nullable=False),
    Column("quota", Integer, nullable=False),
    Column("orders", Integer, nullable=False, server_default="0"),
    Column("retired", Boolean, nullable=False),
    CheckConstraint("price > 0 AND size > 0", name="positive"),
)
"""codes: unique codes stand here; then `window` is when the current one began, `quota` how many
orders it takes. orders: all that it ever took, unpaid ones too. retired: nothing stands here any
more, and nothing will.
"""

products = Table(
    "products",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("shelf", Integer, ForeignKey("shelves.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("pieces", LargeBinary, nullable=False),
    Column("available", Boolean, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("added_at", Integer, nullable=False),
    Column("tags", Text, nullable=False),
    Column("wish", Integer, nullable=True),
    Column("source", LargeBinary, nullable=True),
    Column("codes", Boolean, nullable=False),
    Column("in_stock", Boolean, nullable=False),
    Column("counted", Integer, nullable=False, server_default="0"),
    Column("counted_at", Integer, nullable=False, server_default="0"),
    UniqueConstraint("shelf", "file_name"),
)
"""tags: one a line. wish: the price wanted in the next plan. source: SHA-256 of an imported file.
codes: one unique code per sale; `in_stock` is then what the last window found. counted: codes
that were used when its stock was counted last; counted_at: the shelf's newest order then.
"""

pictures = Table(
    "pictures",
    metadata,
    Column("product", LargeBinary, ForeignKey("products.id"), primary_key=True),
    Column("cover", LargeBinary, nullable=False),
    Column("sample_name", Text, nullable=False),
    Column("sample", LargeBinary, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)
"""Covers, re-encoded, and free samples, beside the products so that these stay quick to load."""

showcases = Table(
    "showcases",
    metadata,
    Column("shelf", Integer, ForeignKey("shelves.id"), primary_key=True),
    Column("inputs", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("size", Integer, nullable=False),
)
"""The current blob of covers and samples of a shelf. inputs: hash of what it was made from."""

showcase_pages = Table(
    "showcase_pages",
    metadata,
    Column("shelf", Integer, ForeignKey("shelves.id"), primary_key=True),
    Column("page", Integer, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

codes = Table(
    "codes",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("product", LargeBinary, ForeignKey("products.id"), nullable=False),
    Column("shelf", Integer, nullable=False),
    Column("line", Text, nullable=False, unique=True),
    Column("packed", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False, unique=True),
    Column("state", Text, nullable=False),
    Column("order", LargeBinary, nullable=True, unique=True),
    Column("window", Integer, nullable=True),
    Column("number", Integer, nullable=False, server_default="0"),
    Column("free_at", Integer, nullable=True),
    Column("unconfirmed", Integer, nullable=False, server_default="0"),
    CheckConstraint("state IN ('free', 'reserved', 'sold')", name="code_state"),
    Index("codes_by_product", "product", "state"),
    Index("codes_by_window", "shelf", "window"),
    Index(
        "codes_to_sell",
        "product",
        "root",
        sqlite_where=Column("state") == "free",
        postgresql_where=Column("state") == "free",
    ),
    Index("codes_to_free", "free_at", sqlite_where=Column("state") == "reserved"),
)
"""Unique codes. packed: salted and named, without the filler. window, number: of its
order, which the shelf counts. free_at: when
a reserved one that nobody paid for can be offered to somebody else. unconfirmed: 1 after a restore,
for nobody knows who has it; it is never offered until the merchant confirms it.
"""

keys = Table(
    "keys",
    metadata,
    Column("key_set", Integer, primary_key=True),
    Column("suite", Integer, primary_key=True),
    Column("private", LargeBinary, nullable=False),
    Column("public", LargeBinary, nullable=False),
    Column("expires_at", Integer, nullable=False),
)
"""A key set serves every descriptor made while it lasts; rows are deleted once expired."""

descriptors = Table(
    "descriptors",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("signed", LargeBinary, nullable=False),
    Column("key_set", Integer, nullable=False),
    Column("not_after", Integer, nullable=False),
)

catalogues = Table(
    "catalogues",
    metadata,
    Column("serial", Integer, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
    Column("products_hash", LargeBinary, nullable=False),
    Column("key_set", Integer, nullable=False),
    Column("blob", LargeBinary, nullable=False),
)
"""The published catalogues; earlier ones keep their hash, their blob is emptied."""

orders = Table(
    "orders",
    metadata,
    Column("order", LargeBinary, primary_key=True),
    Column("broker", Integer, ForeignKey("brokers.id"), nullable=False),
    Column("product", LargeBinary, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("shelf", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("suite", Integer, nullable=False),
    Column("content_key", LargeBinary, nullable=False),
    Column("key_set", Integer, nullable=False),
    Column("price", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("offered_at", Integer, nullable=False),
    Column("pay_by", Integer, nullable=False),
    Column("paid_at", Integer, nullable=True),
    Column("ended_at", Integer, nullable=True),
    Column("offer", LargeBinary, nullable=True),
    Column("forget_at", Integer, nullable=True),
    Index("orders_of_broker", "broker"),
    Index(
        "orders_waiting",
        "pay_by",
        sqlite_where=text("state = 'offered'"),
        postgresql_where=text("state = 'offered'"),
    ),
    Index(
        "orders_to_forget",
        "forget_at",
        sqlite_where=text("state = 'expired'"),
        postgresql_where=text("state = 'expired'"),
    ),
)
"""order: hash of the signed offer. size: of the shelf's padded products."""
