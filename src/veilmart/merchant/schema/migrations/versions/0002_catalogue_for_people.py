"""Tags, wishes, covers and samples, retired shelves, unique codes."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NO = sa.false()
_YES = sa.true()


def upgrade() -> None:
    _widen_shelves()
    _widen_products()
    _create_pictures()
    _create_codes()


def _widen_shelves() -> None:
    op.add_column("shelves", sa.Column("codes", sa.Boolean, nullable=False, server_default=_NO))
    op.add_column("shelves", sa.Column("window", sa.Integer, nullable=False, server_default="0"))
    op.add_column("shelves", sa.Column("quota", sa.Integer, nullable=False, server_default="0"))
    op.add_column("shelves", sa.Column("retired", sa.Boolean, nullable=False, server_default=_NO))


def _widen_products() -> None:
    op.add_column("products", sa.Column("tags", sa.Text, nullable=False, server_default=""))
    op.add_column("products", sa.Column("wish", sa.Integer, nullable=True))
    op.add_column("products", sa.Column("source", sa.LargeBinary, nullable=True))
    op.add_column("products", sa.Column("codes", sa.Boolean, nullable=False, server_default=_NO))
    op.add_column(
        "products", sa.Column("in_stock", sa.Boolean, nullable=False, server_default=_YES)
    )


def _create_pictures() -> None:
    op.create_table(
        "pictures",
        sa.Column("product", sa.LargeBinary, sa.ForeignKey("products.id"), primary_key=True),
        sa.Column("cover", sa.LargeBinary, nullable=False),
        sa.Column("sample_name", sa.Text, nullable=False),
        sa.Column("sample", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "showcases",
        sa.Column("shelf", sa.Integer, sa.ForeignKey("shelves.id"), primary_key=True),
        sa.Column("inputs", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
    )
    op.create_table(
        "showcase_pages",
        sa.Column("shelf", sa.Integer, sa.ForeignKey("shelves.id"), primary_key=True),
        sa.Column("page", sa.Integer, primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
    )


def _create_codes() -> None:
    op.create_table(
        "codes",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("product", sa.LargeBinary, sa.ForeignKey("products.id"), nullable=False),
        sa.Column("shelf", sa.Integer, nullable=False),
        sa.Column("line", sa.Text, nullable=False, unique=True),
        sa.Column("packed", sa.LargeBinary, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("order", sa.LargeBinary, nullable=True, unique=True),
        sa.Column("window", sa.Integer, nullable=True),
        sa.Column("free_at", sa.Integer, nullable=True),
        sa.CheckConstraint("state IN ('free', 'reserved', 'sold')", name="code_state"),
    )
    op.create_index("codes_by_product", "codes", ["product", "state"])
    op.create_index("codes_by_window", "codes", ["shelf", "window"])
    op.create_index(
        "codes_to_free", "codes", ["free_at"], sqlite_where=sa.text("state = 'reserved'")
    )
