"""What a broker's backup holds. No tunnel key and no signing seed leaves the machine in it.

A restored broker has to be told from one that goes back in time: it makes a descriptor whose
serial, and reports whose sequence, lie far above everything that was seen of it before. What may
have been taken back or paid since the backup is marked: it waits until the operator has looked.
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
