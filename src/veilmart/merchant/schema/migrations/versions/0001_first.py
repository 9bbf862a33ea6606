"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# SQLite's INTEGER has 64 bits and numbers rows; PostgreSQL's has 32.
_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_settings()
    _create_goods()
    _create_published()
    _create_orders()


def _create_settings() -> None:
    op.create_table(
        "shop",
        sa.Column("id", _INT, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("decimals", _INT, nullable=False),
        sa.Column("revision", _INT, nullable=False),
        sa.CheckConstraint("id = 1", name="one_row"),
    )
    op.create_table(
        "brokers",
        sa.Column("id", _INT, primary_key=True),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("descriptor", sa.LargeBinary, nullable=False),
        sa.Column("balance", _INT, nullable=False),
        sa.Column("reported", _INT, nullable=False),
    )


def _create_goods() -> None:
    op.create_table(
        "shelves",
        sa.Column("id", _INT, primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("price", _INT, nullable=False),
        sa.Column("size", _INT, nullable=False),
        sa.Column("pay_within", _INT, nullable=False),
        sa.Column("deliver_within", _INT, nullable=False),
        sa.Column("settle_within", _INT, nullable=False),
        sa.CheckConstraint("price > 0 AND size > 0", name="positive"),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("shelf", _INT, sa.ForeignKey("shelves.id"), nullable=False),
        sa.Column("version", _INT, nullable=False),
        sa.Column("file_name", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("size", _INT, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("pieces", sa.LargeBinary, nullable=False),
        sa.Column("available", sa.Boolean, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        sa.Column("added_at", _INT, nullable=False),
        sa.UniqueConstraint("shelf", "file_name"),
    )


def _create_published() -> None:
    op.create_table(
        "keys",
        sa.Column("key_set", _INT, primary_key=True),
        sa.Column("suite", _INT, primary_key=True),
        sa.Column("private", sa.LargeBinary, nullable=False),
        sa.Column("public", sa.LargeBinary, nullable=False),
        sa.Column("expires_at", _INT, nullable=False),
    )
    op.create_table(
        "descriptors",
        sa.Column("serial", _INT, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("signed", sa.LargeBinary, nullable=False),
        sa.Column("key_set", _INT, nullable=False),
        sa.Column("not_after", _INT, nullable=False),
    )
    op.create_table(
        "catalogues",
        sa.Column("serial", _INT, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("products_hash", sa.LargeBinary, nullable=False),
        sa.Column("key_set", _INT, nullable=False),
        sa.Column("blob", sa.LargeBinary, nullable=False),
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order", sa.LargeBinary, primary_key=True),
        sa.Column("broker", _INT, sa.ForeignKey("brokers.id"), nullable=False),
        sa.Column("product", sa.LargeBinary, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("shelf", _INT, nullable=False),
        sa.Column("size", _INT, nullable=False),
        sa.Column("suite", _INT, nullable=False),
        sa.Column("content_key", sa.LargeBinary, nullable=False),
        sa.Column("key_set", _INT, nullable=False),
        sa.Column("price", _INT, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("offered_at", _INT, nullable=False),
        sa.Column("pay_by", _INT, nullable=False),
        sa.Column("paid_at", _INT, nullable=True),
        sa.Column("ended_at", _INT, nullable=True),
    )
    op.create_index(
        "orders_waiting",
        "orders",
        ["pay_by"],
        sqlite_where=sa.text("state = 'offered'"),
        postgresql_where=sa.text("state = 'offered'"),
    )
    op.create_index(
        "orders_expired",
        "orders",
        ["ended_at"],
        sqlite_where=sa.text("state = 'expired'"),
        postgresql_where=sa.text("state = 'expired'"),
    )
