"""What each view was shown of a party, to be compared at home."""

import msgspec
import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_SIGNATURE_BYTES = 384


def upgrade() -> None:
    """What was known before becomes what its view has seen."""
    table = op.create_table(
        "seen_descriptors",
        sa.Column("view", sa.String(16), primary_key=True),
        sa.Column("party", sa.LargeBinary(32), primary_key=True),
        sa.Column("serial", sa.Integer, primary_key=True),
        sa.Column("not_before", sa.Integer, nullable=False),
        sa.Column("signed", sa.LargeBinary, nullable=False),
    )
    connection = op.get_bind()
    for view, query in (
        ("account", "SELECT fingerprint, descriptor FROM brokers"),
        ("account", "SELECT fingerprint, descriptor FROM merchants WHERE descriptor IS NOT NULL"),
        ("anonymous", "SELECT party, signed FROM anonymous_view WHERE kind <> 'catalogue'"),
    ):
        for party, signed in connection.execute(sa.text(query)).all():
            said = msgspec.msgpack.decode(signed[_SIGNATURE_BYTES:])
            row = {"view": view, "party": party, "signed": signed}
            row |= {name: said[name] for name in ("serial", "not_before")}
            known = sa.select(table.c.serial).where(
                table.c.view == view, table.c.party == party, table.c.serial == row["serial"]
            )
            if connection.execute(known).first() is None:
                connection.execute(table.insert(), row)
    op.execute("DELETE FROM anonymous_view WHERE kind <> 'catalogue'")
