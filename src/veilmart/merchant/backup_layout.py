"""What a merchant's backup holds: identity, database and every product that was ever sold.

Tunnel keys do not leave the machine; signing seeds do, because segments of orders under way are
signed with them. A restored merchant continues with serials far above all earlier ones.
"""

from veilmart.merchant.home import (
    DATABASE_FILE,
    IDENTITY_FILE,
    ROLE,
    SCHEMA,
    SERVER_LOCK,
    STORE_FOLDER,
)
from veilmart.merchant.schema import migrations
from veilmart.merchant.schema.tables import metadata
from veilmart.storage.backup.backup import HomeLayout, Tables

LAYOUT = HomeLayout(
    role=ROLE,
    database=DATABASE_FILE,
    lock=SERVER_LOCK,
    files=(IDENTITY_FILE,),
    optional=("store",),
    folder=STORE_FOLDER,
    marks=(
        "SELECT revision FROM shop",
        "SELECT coalesce(max(serial), 0) FROM descriptors",
        "SELECT coalesce(max(offered_at), 0) FROM orders",
        "SELECT coalesce(max(ended_at), 0) FROM orders",
    ),
    tables=Tables(metadata, migrations, SCHEMA),
    strip=(
        "DELETE FROM keys WHERE suite != 0",
        "UPDATE descriptors SET not_after = 0",
        "UPDATE shop SET restored = 1",
        # A code that was free may have been sold since the backup, and one that was given back
        # since may have been sold again: none is offered until the merchant confirms it.
        "UPDATE codes SET unconfirmed = 1, "
        "state = CASE state WHEN 'free' THEN 'sold' ELSE state END",
        # A shelf may have taken its first order since: what is confirmed shows at its next window.
        "UPDATE shelves SET orders = orders + 1 WHERE codes = 1",
        "UPDATE products SET in_stock = 0, "
        "counted = (SELECT count(*) FROM codes WHERE codes.product = products.id), "
        "counted_at = (SELECT orders FROM shelves WHERE shelves.id = products.shelf) "
        "WHERE codes = 1",
        "UPDATE catalogues SET serial = serial + 1000000, products_hash = x'' "
        "WHERE serial = (SELECT max(serial) FROM catalogues)",
    ),
)
