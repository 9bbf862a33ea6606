"""What buying without an account needs: tokens, withdrawals, two views, proofs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seeded_wallet",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("wallet", sa.LargeBinary(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("next_order", sa.Integer, nullable=False),
        sa.Column("refill_second", sa.Integer, nullable=False),
    )
    op.create_table(
        "network",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("proxy", sa.String(300), nullable=False),
    )
    op.create_table(
        "token_keys",
        sa.Column("key", sa.LargeBinary(32), primary_key=True),
        sa.Column("broker", sa.LargeBinary(32), nullable=False),
        sa.Column("price", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("spki", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "withdrawals",
        sa.Column("request", sa.LargeBinary(16), primary_key=True),
        sa.Column("broker", sa.LargeBinary(32), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("first", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("blinded", sa.LargeBinary, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("answer", sa.LargeBinary),
        sa.UniqueConstraint("broker", "account", "key", "first"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("broker", sa.LargeBinary(32), nullable=False),
        sa.Column("key", sa.LargeBinary(32), nullable=False),
        sa.Column("account", sa.String(64)),
        sa.Column("counter", sa.Integer),
        sa.Column("order_key", sa.LargeBinary(32), unique=True),
        sa.Column("signature", sa.LargeBinary(256), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("order", sa.LargeBinary(32)),
        sa.Column("got_at", sa.Integer, nullable=False),
        sa.UniqueConstraint("key", "account", "counter"),
    )
    op.create_table(
        "stocks",
        sa.Column("broker", sa.LargeBinary(32), primary_key=True),
        sa.Column("price", sa.Integer, primary_key=True),
        sa.Column("pack", sa.Integer, nullable=False),
        sa.Column("refilled_on", sa.Integer, nullable=False),
    )
    op.create_table(
        "lost_orders",
        sa.Column("broker", sa.LargeBinary(32), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("order_key", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "anonymous_view",
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("party", sa.LargeBinary(32), primary_key=True),
        sa.Column("signed", sa.LargeBinary, nullable=False),
        sa.Column("signing_key", sa.LargeBinary(32)),
        sa.Column("certificate", sa.LargeBinary),
    )
    op.create_table(
        "proofs",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("party", sa.LargeBinary(32), nullable=False),
        sa.Column("made_at", sa.Integer, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("stops", sa.Integer, nullable=False),
    )
    op.add_column("orders", sa.Column("spend", sa.LargeBinary))
