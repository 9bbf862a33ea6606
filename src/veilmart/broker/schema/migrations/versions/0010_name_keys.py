"""Keys of usernames, so that no two accounts have names that look the same."""

import sqlalchemy as sa
from alembic import op

from veilmart.protocol.name_key import name_key

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INT = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    keys = op.create_table(
        "name_keys",
        sa.Column("key", sa.Text(), primary_key=True),
        sa.Column("account", _INT, sa.ForeignKey("accounts.id"), nullable=False),
    )
    found = op.get_bind().execute(
        sa.text("SELECT username, account FROM customers ORDER BY account")
    )
    # Of names that looked the same before, the older account has the key; the others are found by
    # their exact names only.
    first: dict[str, int] = {}
    for username, account in found:
        first.setdefault(name_key(username), account)
    if first:
        op.bulk_insert(keys, [{"key": key, "account": account} for key, account in first.items()])
