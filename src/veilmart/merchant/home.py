"""A merchant's home folder opened: identity, database, product store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete, select

from veilmart.characters import is_plain
from veilmart.crypto import identity
from veilmart.crypto.identity import IdentityKey
from veilmart.errors import AlreadyInitialised, BadArgument, DatabaseFailure
from veilmart.merchant.goods.shop_row import create_shop, read_shop
from veilmart.merchant.publishing.brokers import pin_broker
from veilmart.merchant.schema import migrations
from veilmart.merchant.schema.tables import brokers, descriptors, metadata, shop
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.storage.database.open_database import open_database
from veilmart.storage.database.port import Database
from veilmart.storage.files.home import Home, home_to_be
from veilmart.storage.files.locations import (
    database_place,
    remember_database,
    remember_store,
    store_place,
)
from veilmart.storage.products.folder_store import ProductStore
from veilmart.storage.products.open_store import open_store

ROLE = "merchant"
IDENTITY_FILE = "identity.pem"
DATABASE_FILE = "merchant.sqlite"
STORE_FOLDER = "products"
SERVER_LOCK = "server"
SCHEMA = "veilmart_merchant"
NAME_MAX_CHARACTERS = 64


@dataclass(frozen=True)
class MerchantHome:
    """What commands and server share. fingerprint: 32 bytes."""

    home: Home
    identity: IdentityKey = field(repr=False)
    fingerprint: bytes
    database: Database
    store: ProductStore


def _open_database(place: str | Path) -> Database:
    return open_database(place, metadata, migrations, schema=SCHEMA)


def create_merchant(
    path: Path,
    name: str,
    url: str,
    broker: SignedDescriptor,
    *,
    database: str | None = None,
    store: str | None = None,
) -> bytes:
    """Set up a home folder with a fresh identity and one accepted broker; its fingerprint (32).

    `broker` is the descriptor whose fingerprint a person has confirmed; the merchant's currency is
    the broker's. `database` as in `database_place`; `store`: s3://bucket/prefix instead of a
    folder. Raises AlreadyInitialised, BadArgument, CannotWrite, DiskFull, StoreAway.
    """
    if not 0 < len(name) <= NAME_MAX_CHARACTERS or not is_plain(name):
        raise BadArgument("A merchant's name is 1 to 64 printable characters.")
    with home_to_be(path, _is_set_up) as home, home.lock("init"):
        if home.has(IDENTITY_FILE):
            raise AlreadyInitialised(str(home.path))
        place = database_place(home, database, DATABASE_FILE)
        opened = _open_database(place)
        try:
            opened.run_now(_first_rows, name, url, broker)
        finally:
            opened.close()
        remember_database(home, place)
        remember_store(home, store)
        open_store(store_place(home, STORE_FOLDER)).check()
        key = identity.generate_identity()
        home.write_secret(IDENTITY_FILE, identity.identity_to_pem(key))
    return identity.fingerprint(identity.public_spki(key))


def _is_set_up(home: Home) -> bool:
    return home.has(IDENTITY_FILE)


def _first_rows(connection: Connection, name: str, url: str, broker: SignedDescriptor) -> None:
    if connection.execute(select(descriptors.c.serial)).first() is not None:
        raise DatabaseFailure("It belongs to another merchant.")
    # An init that was interrupted before the identity was written is begun again.
    connection.execute(delete(brokers))
    connection.execute(delete(shop))
    create_shop(connection, name, broker.descriptor.currency, broker.descriptor.decimals)
    pin_broker(connection, url, broker)


@contextmanager
def open_merchant(path: Path, database: str | None = None) -> Iterator[MerchantHome]:
    """Open for one command or one server; `database` as in `database_place`.

    Raises NotInitialised and StorageFailures.
    """
    home = Home(path, create=False)
    key = identity.identity_from_pem(home.read(IDENTITY_FILE))
    opened = _open_database(database_place(home, database, DATABASE_FILE))
    try:
        opened.run_now(read_shop)
        yield MerchantHome(
            home=home,
            identity=key,
            fingerprint=identity.fingerprint(identity.public_spki(key)),
            database=opened,
            store=open_store(store_place(home, STORE_FOLDER)),
        )
    finally:
        opened.close()
