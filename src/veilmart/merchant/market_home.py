"""A merchant's home folder opened: identity, database, product store."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete

from veilmart.crypto import identity
from veilmart.crypto.identity import IdentityKey
from veilmart.errors import AlreadyInitialised, BadArgument
from veilmart.merchant import migrations
from veilmart.merchant.brokers import pin_broker
from veilmart.merchant.revision import create_shop, read_shop
from veilmart.merchant.tables import brokers, metadata, shop
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.storage.database import Database
from veilmart.storage.home import Home
from veilmart.storage.product_store import FolderStore, ProductStore

ROLE = "merchant"
IDENTITY_FILE = "identity.pem"
DATABASE_FILE = "merchant.sqlite"
STORE_FOLDER = "products"
SERVER_LOCK = "server"
NAME_MAX_CHARACTERS = 64


@dataclass(frozen=True)
class MerchantHome:
    """What commands and server share. fingerprint: 32 bytes."""

    home: Home
    identity: IdentityKey = field(repr=False)
    fingerprint: bytes
    database: Database
    store: ProductStore


def _open_database(home: Home) -> Database:
    return Database.open(home.file(DATABASE_FILE), metadata, migrations)


def create_merchant(path: Path, name: str, url: str, broker: SignedDescriptor) -> bytes:
    """Set up a home folder with a fresh identity and one accepted broker; its fingerprint (32).

    `broker` is the descriptor whose fingerprint a person has confirmed; the merchant's currency is
    the broker's. Raises AlreadyInitialised, BadArgument, CannotWrite, DiskFull.
    """
    if not 0 < len(name) <= NAME_MAX_CHARACTERS or not name.isprintable():
        raise BadArgument("A merchant's name is 1 to 64 printable characters.")
    home = Home(path)
    with home.lock("init"):
        if home.has(IDENTITY_FILE):
            raise AlreadyInitialised(str(home.path))
        database = _open_database(home)
        try:
            database.run_now(_first_rows, name, url, broker)
        finally:
            database.close()
        FolderStore(home.file(STORE_FOLDER))
        key = identity.generate_identity()
        home.write_secret(IDENTITY_FILE, identity.identity_to_pem(key))
    return identity.fingerprint(identity.public_spki(key))


def _first_rows(connection: Connection, name: str, url: str, broker: SignedDescriptor) -> None:
    # An init that was interrupted before the identity was written is begun again.
    connection.execute(delete(brokers))
    connection.execute(delete(shop))
    create_shop(connection, name, broker.descriptor.currency, broker.descriptor.decimals)
    pin_broker(connection, url, broker)


@contextmanager
def open_merchant(path: Path) -> Iterator[MerchantHome]:
    """Open for one command or one server. Raises NotInitialised and StorageFailures."""
    home = Home(path, create=False)
    key = identity.identity_from_pem(home.read(IDENTITY_FILE))
    database = _open_database(home)
    try:
        database.run_now(read_shop)
        yield MerchantHome(
            home=home,
            identity=key,
            fingerprint=identity.fingerprint(identity.public_spki(key)),
            database=database,
            store=FolderStore(home.file(STORE_FOLDER)),
        )
    finally:
        database.close()
