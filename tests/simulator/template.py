"""A market made once for each process of the machine; every run begins with a copy of it."""

import random as randoms
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.simulator.determinism import derived_identity, repeatable_libraries
from tests.simulator.store import CrashingStore, Disk
from tests.simulator.weather import Weather
from tests.support.simulated_process import Process
from veilmart.broker import merchants, settings
from veilmart.broker.home import BrokerHome, renew_descriptor
from veilmart.broker.schema import migrations as broker_migrations, tables as broker_tables
from veilmart.crypto import identity
from veilmart.crypto.identity import IdentityKey
from veilmart.customer.schema import migrations as customer_migrations, tables as customer_tables
from veilmart.merchant.goods.shop_row import create_shop
from veilmart.merchant.home import MerchantHome
from veilmart.merchant.publishing.brokers import pin_broker
from veilmart.merchant.publishing.snapshot import load_shop
from veilmart.merchant.schema import migrations as merchant_migrations, tables as merchant_tables
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import look_at
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.storage.files.home import Home
from veilmart.storage.products.folder_store import FolderStore, ProductStore

START = 1_800_000_000
BROKER_ADDRESS, MERCHANT_ADDRESS = "broker.test:8000", "merchant.test:8100"
BROKER_URL = f"http://{BROKER_ADDRESS}"
DECIMALS = 2
# Three shelves: a parcel that is a row of the wallet's, one that is a file, one of two pieces.
_GOODS = ((500, 1500, 3), (1000, 70_000, 2), (2000, 1_100_000, 2))


@dataclass
class Template:
    """The folder holds the products, which no run changes. goods: file name → content."""

    folder: Path
    broker_key: IdentityKey = field(repr=False)
    merchant_key: IdentityKey = field(repr=False)
    broker_disk: Disk
    merchant_disk: Disk
    store: ProductStore
    goods: dict[str, bytes] = field(repr=False)
    images: tuple[Any, Any, Any]
    _wallets: list[Disk] = field(default_factory=list)

    @property
    def broker_print(self) -> bytes:
        return identity.fingerprint(identity.public_spki(self.broker_key))

    @property
    def merchant_print(self) -> bytes:
        return identity.fingerprint(identity.public_spki(self.merchant_key))

    @property
    def link(self) -> str:
        """What customers are given."""
        prints = (self.broker_print, self.merchant_print)
        return f"veilmart://{BROKER_ADDRESS}/" + "/".join(map(identity.format_fingerprint, prints))

    def fresh(self, wallets: int) -> tuple[Disk, Disk, list[Disk]]:
        """Broker's, merchant's and empty wallets' disks. The ones of the run before are gone."""
        while len(self._wallets) < wallets:
            self._wallets.append(_wallet_disk())
        broker, merchant, wallet = self.images
        self.broker_disk.restore(broker)
        self.merchant_disk.restore(merchant)
        for disk in self._wallets[:wallets]:
            disk.restore(wallet)
        return self.broker_disk, self.merchant_disk, self._wallets[:wallets]


def make_template(folder: Path) -> Template:
    """Broker with a descriptor, merchant with goods on three shelves, admitted. Takes a second."""
    random = randoms.Random("template").randbytes
    with repeatable_libraries("template"):
        broker_key, merchant_key = derived_identity("broker"), derived_identity("merchant")
        broker_disk = Disk(broker_tables.metadata, broker_migrations)
        merchant_disk = Disk(merchant_tables.metadata, merchant_migrations)
        known = _make_broker(folder, broker_key, broker_disk, random)
        store = FolderStore(folder / "products")
        goods = _make_merchant(folder, merchant_key, merchant_disk, store, known, random)
        key, name = merchant_key, identity.fingerprint(identity.public_spki(merchant_key))
        shop = load_shop(_calm_store(merchant_disk), key, name, START, random)
        broker_disk.run(merchants.admit, shop.newest.known, MERCHANT_ADDRESS)
    wallet = _wallet_disk()
    images = (broker_disk.image(), merchant_disk.image(), wallet.image())
    made = Template(
        folder, broker_key, merchant_key, broker_disk, merchant_disk, store, goods, images
    )
    made._wallets.append(wallet)
    return made


def _wallet_disk() -> Disk:
    return Disk(customer_tables.metadata, customer_migrations)


def _calm_store(disk: Disk) -> CrashingStore:
    weather = Weather(randoms.Random(0))
    weather.calm = True
    process = Process("maker", lambda _place: False, lambda: None)
    return CrashingStore(disk, process, weather, lambda: None)


def _make_broker(folder: Path, key: IdentityKey, disk: Disk, random: Any) -> SignedDescriptor:
    first = settings.Settings(
        "broker", "EUR", DECIMALS, settings.DEFAULT_PRICE_POINTS, random(settings.SECRET_BYTES)
    )
    disk.run(settings.replace, first)
    name = identity.fingerprint(identity.public_spki(key))
    home = BrokerHome(Home(folder / "broker"), key, name, _calm_store(disk))
    return renew_descriptor(home, START, random).newest.public


def _make_merchant(
    folder: Path,
    key: IdentityKey,
    disk: Disk,
    store: ProductStore,
    broker: SignedDescriptor,
    random: Any,
) -> dict[str, bytes]:
    disk.run(create_shop, "merchant", broker.descriptor.currency, broker.descriptor.decimals)
    disk.run(pin_broker, BROKER_URL, broker)
    name = identity.fingerprint(identity.public_spki(key))
    market = MerchantHome(Home(folder / "merchant"), key, name, _calm_store(disk), store)
    goods: dict[str, bytes] = {}
    for price, size, count in _GOODS:
        sources = []
        for number in range(count):
            content = random(size - number)
            path = folder / f"good-{price}-{number}.bin"
            path.write_bytes(content)
            goods[path.name] = content
            sources.append(look_at(path))
        add_now(market, tuple(sources), price=price, now=START, random=random)
    return goods
