"""The broker's home folder: its identity key and its database."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.currencies import decimals_of
from veilmart.broker.keys import descriptors, token_keys
from veilmart.broker.keys.descriptors import OwnDescriptors
from veilmart.broker.schema import metadata, migrations as revisions
from veilmart.broker.settings import Settings
from veilmart.crypto import identity as keys
from veilmart.errors import AlreadyInitialised, DatabaseFailure, NotInitialised
from veilmart.limits import DESCRIPTOR_OVERLAP_SECONDS
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.ports import Random
from veilmart.storage.database.open_database import open_database
from veilmart.storage.database.port import Database
from veilmart.storage.files.home import Home, home_to_be
from veilmart.storage.files.locations import database_place, remember_database

ROLE = "broker"
IDENTITY_FILE = "identity.pem"
DATABASE_FILE = "broker.sqlite"
SCHEMA = "veilmart_broker"
RESTORED = "restored"
SERIALS_SKIPPED = 1_000_000
"""A restored broker's serials continue above all that wallets can have seen."""


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
    decimals: int | None = None,
    database: str | None = None,
    require: Callable[[Database], None] | None = None,
) -> BrokerHome:
    """A new home with its identity and settings; `decimals` only for what ISO 4217 does not name.

    require: raises for a database that does not do; nothing is left behind then. Raises
    AlreadyInitialised, BadArgument.

    The identity is written last: a home that was cut off on the way is set up again.
    """
    with home_to_be(path, _is_set_up) as home, home.lock("init"):
        if home.has(IDENTITY_FILE):
            raise AlreadyInitialised(str(path))
        fresh = Settings(
            name=name,
            currency=currency,
            decimals=(minor := decimals_of(currency, decimals)),
            price_points=settings.first_price_points(minor),
            guess_secret=random(settings.SECRET_BYTES),
        )
        place = database_place(home, database, DATABASE_FILE)
        opened = _open_database(place)
        try:
            if require is not None:
                require(opened)
            opened.run_now(_claim, fresh)
            remember_database(home, place)
            home.write_secret(IDENTITY_FILE, keys.identity_to_pem(keys.generate_identity()))
        finally:
            opened.close()
    return open_home(path, database)


def _is_set_up(home: Home) -> bool:
    return home.has(IDENTITY_FILE)


def open_or_initialise(
    path: Path, random: Random, database: str | None, require: Callable[[Database], None]
) -> BrokerHome:
    """`open_home`, or `initialise` with the defaults where nothing is set up."""
    if is_initialised(path):
        return open_home(path, database)
    return initialise(path, random, database=database, require=require)


def open_home(path: Path, database: str | None = None) -> BrokerHome:
    """`database` as in `database_place`. Raises NotInitialised, StoreDamaged, DatabaseFailure."""
    home = Home(path, create=False)
    if not home.has(IDENTITY_FILE):
        raise NotInitialised(str(path))
    key = keys.identity_from_pem(home.read(IDENTITY_FILE))
    fingerprint = keys.fingerprint(keys.public_spki(key))
    place = database_place(home, database, DATABASE_FILE)
    return BrokerHome(home, key, fingerprint, _open_database(place))


def renew_descriptor(opened: BrokerHome, now: int, random: Random) -> OwnDescriptors:
    """Make a new descriptor if the newest does not do, and load the usable ones."""
    run = opened.database.run_now
    current = run(settings.load)
    newest = run(descriptors.newest_signed)
    previous = None if newest is None else read_descriptor(newest)
    if previous is not None and previous.fingerprint != opened.fingerprint:
        raise DatabaseFailure("It belongs to another broker.")
    restored = run(settings.number, RESTORED) > 0
    if restored:
        run(token_keys.skip_epochs, now)
    token_keys.make_missing(run, run(token_keys.missing, now))
    listed = token_keys.listed(run(token_keys.living))
    due = previous is None or restored
    if previous is not None and not due:
        due = not descriptors.is_current(previous, current, now, listed)
        # A change waits where one more would look like a descriptor made for one visitor.
        lasts = now < previous.descriptor.not_after - DESCRIPTOR_OVERLAP_SECONDS
        due = due and not (lasts and run(descriptors.too_often, previous.descriptor.serial, now))
    if due:
        step = SERIALS_SKIPPED if restored else 1
        signed, secrets = descriptors.make_descriptor(
            opened.identity, current, previous, now, random, step, listed
        )
        # False: another process was quicker, and its descriptor does as well.
        run(descriptors.store, read_descriptor(signed), secrets)
        if restored:
            run(settings.remove, RESTORED)
    return opened.database.read_now(descriptors.load_usable, now)


def _claim(conn: Connection, fresh: Settings) -> None:
    """The first settings, in a database that no broker has used. An init cut short is begun again.

    Raises DatabaseFailure for a database with a descriptor in it.
    """
    if descriptors.newest_signed(conn) is not None:
        raise DatabaseFailure("It belongs to another broker.")
    settings.replace(conn, fresh)


def _open_database(place: str | Path) -> Database:
    return open_database(place, metadata, revisions, schema=SCHEMA)
