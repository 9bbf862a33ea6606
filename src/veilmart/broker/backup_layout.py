"""What a broker's backup holds. No tunnel key and no signing seed leaves the machine in it.

A restored broker must not look like one that goes back in time: its next descriptor's serial and
its reports' sequence lie far above all earlier ones. Vouchers that may have been voided and
withdrawals that may have been paid since the backup are marked and wait for the operator.
"""

from veilmart.broker.home import DATABASE_FILE, IDENTITY_FILE, ROLE, SCHEMA
from veilmart.broker.schema import metadata, migrations
from veilmart.storage.backup.backup import HomeLayout, Tables

LAYOUT = HomeLayout(
    role=ROLE,
    database=DATABASE_FILE,
    lock="server",
    files=(IDENTITY_FILE,),
    marks=(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'transactions'",
        "SELECT coalesce(max(serial), 0) FROM descriptors",
        "SELECT count(*) FROM customers",
        "SELECT count(*) FROM merchants",
    ),
    postgres_marks=(
        "SELECT coalesce(pg_sequence_last_value('transactions_id_seq'), 0)",
        "SELECT coalesce(max(serial), 0) FROM descriptors",
        "SELECT count(*) FROM customers",
        "SELECT count(*) FROM merchants",
    ),
    tables=Tables(metadata, migrations, SCHEMA),
    strip=(
        "UPDATE descriptors SET secrets = NULL, not_after = 0",
        "UPDATE merchants SET last_sequence = last_sequence + 1000000",
        # A backup may be old: its time says nothing of how long the broker was stopped.
        "DELETE FROM settings WHERE name = 'clock seen'",
        "INSERT OR REPLACE INTO settings (name, value) VALUES ('restored', x'01')",
        "INSERT OR REPLACE INTO settings (name, value) VALUES ('payouts unconfirmed', x'01')",
        "UPDATE vouchers SET unconfirmed = 1 WHERE state = 'issued'",
        "UPDATE withdrawals SET unconfirmed = 1 WHERE state = 'asked'",
    ),
)
