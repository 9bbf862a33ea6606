"""No catalogue of the account's, and no covers that were seen before: neither may steer a look."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_table("catalogues")
    op.drop_table("showcases")
