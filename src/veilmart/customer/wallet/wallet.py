"""A wallet: one customer's home folder, its database and its stored parcels."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from veilmart.customer.schema import migrations
from veilmart.customer.schema.tables import metadata
from veilmart.customer.wallet.orders import UNFINISHED, Order, all_orders, orders_in
from veilmart.customer.wallet.parcels import Parcels
from veilmart.customer.wallet.proxy import stored_proxy
from veilmart.errors import BadArgument, NoSuchOrder
from veilmart.storage.database.open_database import open_database
from veilmart.storage.database.port import Database
from veilmart.storage.files.home import Home
from veilmart.transport.socks import SocksProxy

DATABASE_FILE = "wallet.sqlite"
SEED_FILE = "wallet.seed"
PARCELS_FOLDER = "parcels"
ORDER_PREFIX_MIN = 4


@dataclass(frozen=True)
class Wallet:
    """clock: Unix seconds. random: that many fresh bytes.

    proxy: what every connection goes through. seed: 32 bytes, while it is unlocked.
    """

    home: Home
    database: Database
    parcels: Parcels
    clock: Callable[[], int]
    random: Callable[[int], bytes]
    proxy: SocksProxy | None = None
    seed: bytes | None = field(default=None, repr=False)

    def purchasing(self) -> AbstractContextManager[None]:
        """Held while purchases of this wallet move. Raises HomeInUse if another process does."""
        return self.home.lock("purchases", wait=False)

    def close(self) -> None:
        self.database.close()

    async def aclose(self) -> None:
        await self.database.aclose()


def open_wallet(home: Path, clock: Callable[[], int], random: Callable[[int], bytes]) -> Wallet:
    """Open or create the wallet in `home`. Raises the errors of storage.database and home."""
    folder = Home(home)
    database = open_database(folder.file(DATABASE_FILE), metadata, migrations)
    parcels = Parcels(folder.file(PARCELS_FOLDER))
    return Wallet(folder, database, parcels, clock, random, database.run_now(stored_proxy))


def unfinished(wallet: Wallet) -> list[Order]:
    """The purchases that `sync` would move, oldest first."""
    found = wallet.database.run_now(orders_in, UNFINISHED)
    return found[::-1]


def find_order(wallet: Wallet, prefix: str) -> Order:
    """An order by the first characters of its hexadecimal name.

    Raises NoSuchOrder; BadArgument when several begin like that.
    """
    wanted = prefix.strip().lower()
    if len(wanted) < ORDER_PREFIX_MIN:
        raise BadArgument(f"Give at least {ORDER_PREFIX_MIN} characters of the order.")
    found = [
        order
        for order in wallet.database.run_now(all_orders)
        if order.order.hex().startswith(wanted)
    ]
    if not found:
        raise NoSuchOrder
    if len(found) > 1:
        raise BadArgument("Several orders begin like that.")
    return found[0]
