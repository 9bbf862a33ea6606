"""The broker's home folder: its identity key and its database."""

from dataclasses import dataclass, field
from pathlib import Path

from veilmart.broker import migrations as revisions
from veilmart.broker import own_descriptors, settings, tables
from veilmart.broker.own_descriptors import OwnDescriptors
from veilmart.broker.settings import Settings
from veilmart.crypto import identity as keys
from veilmart.errors import AlreadyInitialised, NotInitialised
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.handshake import Random
from veilmart.storage.database import Database
from veilmart.storage.home import Home

ROLE = "broker"
IDENTITY_FILE = "identity.pem"
DATABASE_FILE = "broker.sqlite"


@dataclass(slots=True)
class BrokerHome:
    """fingerprint: SHA-256 of our identity key, 32 bytes. Close it when done."""

    home: Home
    identity: keys.IdentityKey = field(repr=False)
    fingerprint: bytes
    database: Database

    def close(self) -> None:
        self.database.close()

    def __enter__(self) -> "BrokerHome":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def is_initialised(path: Path) -> bool:
    return (path / IDENTITY_FILE).is_file()


def initialise(
    path: Path,
    random: Random,
    *,
    name: str = settings.DEFAULT_NAME,
    currency: str = settings.DEFAULT_CURRENCY,
) -> BrokerHome:
    """A new home with its identity and settings. Raises AlreadyInitialised, BadArgument.

    The identity is written last: a home that was cut off on the way is set up again.
    """
    home = Home(path)
    with home.lock("init"):
        if home.has(IDENTITY_FILE):
            raise AlreadyInitialised(str(path))
        fresh = Settings(
            name=name,
            currency=currency,
            decimals=settings.DEFAULT_DECIMALS,
            price_points=settings.DEFAULT_PRICE_POINTS,
            guess_secret=random(settings.SECRET_BYTES),
        )
        database = _open_database(home)
        try:
            database.run_now(settings.replace, fresh)
            home.write_secret(IDENTITY_FILE, keys.identity_to_pem(keys.generate_identity()))
        finally:
            database.close()
    return open_home(path)


def open_home(path: Path) -> BrokerHome:
    """Raises NotInitialised, StoreDamaged, DatabaseFailure."""
    home = Home(path, create=False)
    if not home.has(IDENTITY_FILE):
        raise NotInitialised(str(path))
    key = keys.identity_from_pem(home.read(IDENTITY_FILE))
    fingerprint = keys.fingerprint(keys.public_spki(key))
    return BrokerHome(home, key, fingerprint, _open_database(home))


def renew_descriptor(opened: BrokerHome, now: int, random: Random) -> OwnDescriptors:
    """Make a new descriptor if the newest does not do, and load the usable ones."""
    run = opened.database.run_now
    current = run(settings.load)
    newest = run(own_descriptors.newest_signed)
    previous = None if newest is None else read_descriptor(newest)
    if previous is None or not own_descriptors.is_current(previous, current, now):
        signed, secrets = own_descriptors.make_descriptor(
            opened.identity, current, previous, now, random
        )
        # False: another process was quicker, and its descriptor does as well.
        run(own_descriptors.store, signed, secrets)
    return run(own_descriptors.load_usable, now)


def _open_database(home: Home) -> Database:
    return Database.open(home.file(DATABASE_FILE), tables.metadata, revisions)
