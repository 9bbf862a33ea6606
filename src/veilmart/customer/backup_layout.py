"""What a back-up of a wallet holds."""

from veilmart.customer.wallet.wallet import DATABASE_FILE, SEED_FILE
from veilmart.storage.backup.backup import HomeLayout

LAYOUT = HomeLayout(
    role="customer",
    database=DATABASE_FILE,
    lock="purchases",
    optional=(SEED_FILE,),
    # What was used since is not known to a backup, so its wallet is restored from its words first.
    strip=("UPDATE seeded_wallet SET state = 'outdated'",),
    marks=(
        "SELECT coalesce(max(changed_at), 0) FROM orders",
        "SELECT count(*) FROM orders",
        "SELECT coalesce(max(joined_at), 0) FROM brokers",
    ),
)
