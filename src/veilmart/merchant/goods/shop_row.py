"""The shop's own row: its name and money, and the revision that a running server watches.

A command changes the shop in its own process and raises the revision in the same transaction;
the server compares one integer now and again and loads what changed.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from veilmart.characters import has_unseen
from veilmart.errors import BadArgument, NotInitialised
from veilmart.limits import ABOUT_MAX_BYTES
from veilmart.merchant.schema.tables import SHOP_ROW, shop
from veilmart.protocol.typed_text import shown_text
from veilmart.storage.database.isolation import snapshot


@dataclass(frozen=True)
class ShopRow:
    """decimals: digits of a minor unit. about: the shop's line about itself, empty for none."""

    name: str
    currency: str
    decimals: int
    revision: int
    restored: bool = False
    about: str = ""


_READ = select(shop)
_REVISION = select(shop.c.revision)
_TOUCH = update(shop).values(revision=shop.c.revision + 1)


def create_shop(connection: Connection, name: str, currency: str, decimals: int) -> None:
    """Transaction: the one row, made at init."""
    connection.execute(
        insert(shop).values(
            id=SHOP_ROW, name=name, currency=currency, decimals=decimals, revision=1
        )
    )


def read_shop(connection: Connection) -> ShopRow:
    """Transaction. Raises NotInitialised."""
    row = connection.execute(_READ).first()
    if row is None:
        raise NotInitialised
    return ShopRow(
        row.name, row.currency, row.decimals, row.revision, bool(row.restored), row.about
    )


def check_about(line: str) -> str:
    """The line as it is stored.

    Raises BadArgument unless it is at most 300 bytes of visible text on one line, or empty.
    """
    line = shown_text(line)
    if has_unseen(line) or len(line.encode()) > ABOUT_MAX_BYTES:
        raise BadArgument(f"Give one line of at most {ABOUT_MAX_BYTES} bytes of visible text.")
    return line


def set_about(connection: Connection, line: str) -> None:
    """Transaction: the next descriptor carries the line. Raises BadArgument."""
    connection.execute(update(shop).values(about=check_about(line)))
    touch(connection)


def forget_restored(connection: Connection) -> None:
    """Part of the transaction that has made a descriptor with a far higher serial."""
    connection.execute(update(shop).values(restored=0))


@snapshot
def read_revision(connection: Connection) -> int:
    """Transaction: grows with every change of shop, brokers, shelves or products."""
    return int(connection.execute(_REVISION).scalar_one())


def touch(connection: Connection) -> None:
    """Part of a transaction that changed something the running server has to notice."""
    connection.execute(_TOUCH)
