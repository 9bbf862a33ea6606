"""The tables of tokens (docs/protocol/11-tokens.md); migrations/versions/0003_tokens.py makes them.

Nothing here holds a time: who withdrew when, and when a token was spent, is known only through the
books until they are folded. A withdrawal never meets a spent token in any row.
"""

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table, UniqueConstraint, text

from veilmart.broker.schema.tables import metadata
from veilmart.storage.database.columns import Integer

ORDER_KEYS: Final = 0
"""Number of the published list of order keys; spent tokens' lists have their key's number."""

# number: ours, from 1. id: SHA-256 of spki. secret: the private half, PKCS #8, overwritten when
# the key is retired. The numbers of tokens are written down then; before, they are counted.
# scarce: on PostgreSQL what is spent is taken from the balance at once, not added up later.
token_keys = Table(
    "token_keys",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("id", LargeBinary, nullable=False, unique=True),
    Column("price", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("account", ForeignKey("accounts.id"), nullable=False),
    Column("spki", LargeBinary, nullable=False),
    Column("secret", LargeBinary),
    Column("retired_at", Integer),
    Column("withdrawn", Integer, nullable=False, server_default=text("0")),
    Column("reissued", Integer, nullable=False, server_default=text("0")),
    Column("redeemed", Integer, nullable=False, server_default=text("0")),
    Column("returned", Integer, nullable=False, server_default=text("0")),
    Column("expired", Integer, nullable=False, server_default=text("0")),
    Column("scarce", Integer, nullable=False, server_default=text("1")),
    UniqueConstraint("price", "epoch", name="one_key_per_price_and_epoch"),
    Index("token_keys_by_account", "account"),
)

# The wallet that may withdraw for an account.
wallets = Table(
    "wallets",
    metadata,
    Column("account", ForeignKey("customers.account"), primary_key=True, autoincrement=False),
    Column("wallet", LargeBinary, nullable=False),
)

# Withdrawals: an account's tokens number first ... first + count - 1 under a key. body: hash of the
# request. answer: as sent. Gone when the key is retired.
token_issues = Table(
    "token_issues",
    metadata,
    Column("account", ForeignKey("customers.account"), primary_key=True, autoincrement=False),
    Column("key", ForeignKey("token_keys.number"), primary_key=True, autoincrement=False),
    Column("first", Integer, primary_key=True, autoincrement=False),
    Column("count", Integer, nullable=False),
    Column("request", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    UniqueConstraint("account", "request", name="one_issue_per_request"),
)
Index("token_issues_of_key", token_issues.c.key, token_issues.c.count)

# Tokens that were shown. Deposited: `account` says by whom, nothing else is there. Spent: `order`
# with what its refund needs. late: it paid for nothing and was exchanged. reissued: the refund
# token was granted. answer: as sent, until the order's month is folded.
spent_tokens = Table(
    "spent_tokens",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", ForeignKey("token_keys.number"), nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("account", ForeignKey("customers.account")),
    Column("order", LargeBinary),
    Column("order_key", LargeBinary),
    Column("refund_key", ForeignKey("token_keys.number")),
    Column("refund_blinded", LargeBinary),
    Column("late", Integer, nullable=False, server_default=text("0")),
    Column("reissued", Integer, nullable=False, server_default=text("0")),
    Column("body", LargeBinary),
    Column("answer", LargeBinary),
    UniqueConstraint("key", "nonce", name="once_per_token"),
    Index("spent_tokens_of_account", "account"),
    Index("spent_tokens_by_refund_key", "refund_key"),
)
_spent = text('"order" IS NOT NULL')
Index(
    "one_token_per_order",
    spent_tokens.c.order,
    unique=True,
    sqlite_where=_spent,
    postgresql_where=_spent,
)
# Of what was paid the invoice knows the order key.
_late = text("late = 1")
Index("late_by_order_key", spent_tokens.c.order_key, sqlite_where=_late, postgresql_where=_late)
# Numbers of tokens are counted in indexes, without a look at the rows.
_deposited = text("account IS NOT NULL")
Index(
    "deposited_under_key", spent_tokens.c.key, sqlite_where=_deposited, postgresql_where=_deposited
)
_reissued = text("reissued = 1")
Index(
    "reissued_under_key",
    spent_tokens.c.refund_key,
    sqlite_where=_reissued,
    postgresql_where=_reissued,
)

# What is published: prefixes of 8 bytes, in the order in which they came, until a page is full.
published = Table(
    "published",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("list", Integer, nullable=False),
    Column("prefix", LargeBinary, nullable=False),
    sqlite_autoincrement=True,
)
Index("published_of_list", published.c.list, published.c.id)

# A full page: sorted prefixes, 1 MiB. It never changes.
published_pages = Table(
    "published_pages",
    metadata,
    Column("list", Integer, primary_key=True, autoincrement=False),
    Column("page", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)
