"""An index for the account that a name's key belongs to."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("name_keys_of_account", "name_keys", ["account"])
