"""The first tables of a wallet."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "brokers",
        sa.Column("fingerprint", sa.LargeBinary(32), primary_key=True),
        sa.Column("url", sa.String(300), nullable=False),
        sa.Column("descriptor", sa.LargeBinary, nullable=False),
        sa.Column("joined_at", sa.Integer, nullable=False),
    )
    op.create_table(
        "merchants",
        sa.Column(
            "broker", sa.LargeBinary(32), sa.ForeignKey("brokers.fingerprint"), primary_key=True
        ),
        sa.Column("fingerprint", sa.LargeBinary(32), primary_key=True),
        sa.Column("descriptor", sa.LargeBinary),
        sa.Column("joined_at", sa.Integer, nullable=False),
    )
    op.create_table(
        "catalogues",
        sa.Column("merchant", sa.LargeBinary(32), primary_key=True),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("signing_key", sa.LargeBinary(32), nullable=False),
        sa.Column("blob", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "logins",
        sa.Column(
            "broker", sa.LargeBinary(32), sa.ForeignKey("brokers.fingerprint"), primary_key=True
        ),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("device", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "orders",
        sa.Column("order", sa.LargeBinary(32), primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("broker", sa.LargeBinary(32), nullable=False),
        sa.Column("merchant", sa.LargeBinary(32), nullable=False),
        sa.Column("broker_descriptor", sa.LargeBinary, nullable=False),
        sa.Column("merchant_descriptor", sa.LargeBinary, nullable=False),
        sa.Column("offer", sa.LargeBinary, nullable=False),
        sa.Column("escrow_key", sa.LargeBinary(32), nullable=False),
        sa.Column("order_seed", sa.LargeBinary(32), nullable=False),
        sa.Column("product", sa.LargeBinary(16), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("file_name", sa.String(200), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("pieces", sa.LargeBinary, nullable=False),
        sa.Column("out_folder", sa.String, nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("changed_at", sa.Integer, nullable=False),
        sa.Column("receipt", sa.LargeBinary),
        sa.Column("invoice", sa.LargeBinary),
        sa.Column("content_key", sa.LargeBinary(32)),
        sa.Column("file_path", sa.String),
    )
    op.create_index("orders_by_state", "orders", ["state"])
    op.create_index("orders_by_product", "orders", ["merchant", "product"])


def downgrade() -> None:
    for name in ("orders", "logins", "catalogues", "merchants", "brokers"):
        op.drop_table(name)
