"""Token keys, withdrawals, spent tokens, published lists; order keys of paid orders are listed."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from veilmart.protocol.published_prefixes import order_key_prefix

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_BLOB = sa.LargeBinary
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PAID = ("held", "released", "settled", "refunded")


def upgrade() -> None:
    _keys()
    _withdrawals()
    _spent()
    op.create_table(
        "published",
        sa.Column("id", _INT, primary_key=True),
        _column("list", _INT),
        _column("prefix", _BLOB),
        sqlite_autoincrement=True,
    )
    op.create_index("published_of_list", "published", ["list", "id"])
    op.create_table(
        "published_pages",
        _part("list", _INT),
        _part("page", _INT),
        _column("content", _BLOB),
    )
    op.create_index("invoices_by_order_key", "invoices", ["order_key"])
    _publish_paid_orders()


def _column(name: str, kind: Any, *rest: Any) -> Any:
    return sa.Column(name, kind, *rest, nullable=False)


def _part(name: str, kind: Any, *rest: Any) -> Any:
    return sa.Column(name, kind, *rest, primary_key=True, autoincrement=False)


def _number(name: str) -> Any:
    return sa.Column(name, _INT, nullable=False, server_default=sa.text("0"))


def _keys() -> None:
    op.create_table(
        "token_keys",
        sa.Column("number", _INT, primary_key=True),
        sa.Column("id", _BLOB, nullable=False, unique=True),
        _column("price", _INT),
        _column("epoch", _INT),
        _column("account", _INT, sa.ForeignKey("accounts.id")),
        _column("spki", _BLOB),
        sa.Column("secret", _BLOB),
        sa.Column("retired_at", _INT),
        *(_number(n) for n in ("withdrawn", "reissued", "redeemed", "returned", "expired")),
        sa.UniqueConstraint("price", "epoch", name="one_key_per_price_and_epoch"),
    )


def _withdrawals() -> None:
    op.create_table(
        "wallets",
        _part("account", _INT, sa.ForeignKey("customers.account")),
        _column("wallet", _BLOB),
    )
    op.create_table(
        "token_issues",
        _part("account", _INT, sa.ForeignKey("customers.account")),
        _part("key", _INT, sa.ForeignKey("token_keys.number")),
        _part("first", _INT),
        _column("count", _INT),
        _column("request", _BLOB),
        _column("body", _BLOB),
        _column("answer", _BLOB),
        sa.UniqueConstraint("account", "request", name="one_issue_per_request"),
    )
    op.create_index("token_issues_of_key", "token_issues", ["key", "count"])


def _spent() -> None:
    op.create_table(
        "spent_tokens",
        sa.Column("id", _INT, primary_key=True),
        _column("key", _INT, sa.ForeignKey("token_keys.number")),
        _column("nonce", _BLOB),
        sa.Column("account", _INT, sa.ForeignKey("customers.account")),
        sa.Column("order", _BLOB),
        sa.Column("order_key", _BLOB),
        sa.Column("refund_key", _INT, sa.ForeignKey("token_keys.number")),
        sa.Column("refund_blinded", _BLOB),
        _number("late"),
        _number("reissued"),
        sa.Column("body", _BLOB),
        sa.Column("answer", _BLOB),
        sa.UniqueConstraint("key", "nonce", name="once_per_token"),
    )
    for name, column, unique, where in (
        ("one_token_per_order", "order", True, '"order" IS NOT NULL'),
        ("late_by_order_key", "order_key", False, "late = 1"),
        ("deposited_under_key", "key", False, "account IS NOT NULL"),
        ("reissued_under_key", "refund_key", False, "reissued = 1"),
    ):
        condition = sa.text(where)
        op.create_index(
            name,
            "spent_tokens",
            [column],
            unique=unique,
            sqlite_where=condition,
            postgresql_where=condition,
        )


def _publish_paid_orders() -> None:
    """A wallet that is restored later has to find the orders from before this revision too."""
    invoices = sa.table("invoices", sa.column("order_key"), sa.column("state"))
    published = sa.table("published", sa.column("list"), sa.column("prefix", _BLOB))
    paid = sa.select(invoices.c.order_key).where(invoices.c.state.in_(_PAID))
    keys = op.get_bind().execute(paid).scalars().all()
    if keys:
        op.bulk_insert(published, [{"list": 0, "prefix": order_key_prefix(key)} for key in keys])
