"""What the customer's pages share: the wallet, connections and fetched data.

Browsing is an identity of its own: shops are opened on anonymous connections, also when an account
pays later. Nothing that a page shows asks the account's connection unless the person asks for it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from veilmart.customer.connection.directory import DirectoryEntry
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.events import Observer, ignore
from veilmart.customer.trust.descriptors import Approve, refuse
from veilmart.customer.trust.pins import (
    PinnedBroker,
    StoredLogin,
    broker_named,
    current_broker,
    stored_login,
)
from veilmart.customer.wallet.account_use import (
    ACCOUNT_USED_LATELY,
    TOKEN_USED_LATELY,
    account_used_lately,
    token_used_lately,
)
from veilmart.customer.wallet.orders import Order, all_orders
from veilmart.customer.wallet.seed import has_seed, is_protected, unlock
from veilmart.customer.wallet.wallet import Wallet
from veilmart.customer.web.open_shop import OpenShop
from veilmart.errors import NoSeed, NotInitialised, WrongPassphrase
from veilmart.protocol.address import Link
from veilmart.protocol.descriptor import Descriptor, SignedDescriptor, read_descriptor
from veilmart.transport.port import OpenClient
from veilmart.web.jobs import Report

BACKUP_NOTE = "last-backup"
WAITING = "Waiting for another purchase of this wallet"


@dataclass(frozen=True)
class KnownBalance:
    """What the broker said last. amount: minor units; at: Unix seconds."""

    username: str
    amount: int
    at: int


class Desk:
    """One customer's face. out: folder that bought files are saved to."""

    def __init__(self, wallet: Wallet, out: Path) -> None:
        self.wallet = wallet
        self.out = out
        self.balance: KnownBalance | None = None
        self.shops: dict[bytes, OpenShop] = {}
        self.directory: list[DirectoryEntry] | None = None
        self.wanted: Link | None = None
        self._moving = asyncio.Lock()

    # ---- whom the wallet knows ------------------------------------------------------------------

    def pin(self) -> PinnedBroker | None:
        """The broker used last."""
        return self.wallet.database.run_now(current_broker)

    def broker(self) -> SignedDescriptor:
        """Its newest descriptor seen. Raises NotInitialised."""
        pin = self.pin()
        if pin is None:
            raise NotInitialised
        return read_descriptor(pin.descriptor)

    def money(self) -> Descriptor:
        """Currency and decimals. Raises NotInitialised."""
        return self.broker().descriptor

    def login(self) -> StoredLogin | None:
        """The account of this machine at the broker used last."""
        pin = self.pin()
        return None if pin is None else self.wallet.database.run_now(stored_login, pin.fingerprint)

    def url_of(self, broker: bytes) -> str:
        """Where an order's broker is. Raises NotInitialised."""
        pin = self.wallet.database.run_now(broker_named, broker)
        if pin is None:
            raise NotInitialised("The order's broker is not pinned here.")
        return pin.url

    def account_lately(self) -> str:
        """What a page that offers a token says where the account was just used; else empty."""
        lately = self.wallet.database.run_now(account_used_lately, self.wallet.clock())
        return " ".join(ACCOUNT_USED_LATELY) if lately else ""

    def token_lately(self) -> str:
        """What a page of the account says where a token was just spent; else empty."""
        lately = self.wallet.database.run_now(token_used_lately, self.wallet.clock())
        return " ".join(TOKEN_USED_LATELY) if lately else ""

    # ---- the words ------------------------------------------------------------------------------

    @property
    def seeded(self) -> bool:
        return has_seed(self.wallet)

    @property
    def needs_passphrase(self) -> bool:
        """Whether something has to be typed before tokens or order keys can be used."""
        return self.seeded and self.wallet.seed is None and is_protected(self.wallet)

    @property
    def seeded_and_protected(self) -> bool:
        return self.seeded and is_protected(self.wallet)

    async def unlock(self, passphrase: str) -> None:
        """Decrypt the seed, until the page is locked. Raises NoSeed, WrongPassphrase."""
        if self.wallet.seed is None:
            if not self.seeded:
                raise NoSeed
            self.wallet = await asyncio.to_thread(unlock, self.wallet, passphrase)

    async def unlock_if_needed(self, passphrase: str) -> None:
        """Order keys of a wallet with words come from them; one without goes on without."""
        if self.seeded:
            await self.unlock(passphrase)

    async def right_passphrase(self, passphrase: str) -> bool:
        """For the lock of the page. It is checked even while another session is unlocked."""
        try:
            self.wallet = await asyncio.to_thread(unlock, self.wallet, passphrase)
        except (NoSeed, WrongPassphrase):
            return False
        return True

    def forget_seed(self) -> None:
        """The page was locked."""
        self.wallet = replace(self.wallet, seed=None)

    # ---- connections ----------------------------------------------------------------------------

    @asynccontextmanager
    async def visit(
        self,
        address: str | Link | None = None,
        *,
        anonymous: bool = False,
        recovering: bool = False,
        observe: Observer = ignore,
        approve: Approve = refuse,
        open_client: OpenClient | None = None,
    ) -> AsyncIterator[Shopper]:
        """A connection for one piece of work, as a command makes it.

        open_client: another way than HTTP; the demonstration watches it.
        """
        shopper = await connect(
            self.wallet,
            address,
            approve=approve,
            observe=observe,
            anonymous=anonymous,
            recovering=recovering,
            open_client=open_client,
        )
        async with shopper:
            yield shopper
            self.note_balance(shopper)

    def visit_for(
        self, order: Order, observe: Observer = ignore, *, anonymous: bool | None = None
    ) -> AbstractAsyncContextManager[Shopper]:
        """The connection that recovering `order` uses."""
        return self.visit(
            self.url_of(order.broker),
            anonymous=order.spend is not None if anonymous is None else anonymous,
            recovering=True,
            observe=observe,
        )

    @asynccontextmanager
    async def moving(self, report: Report) -> AsyncIterator[None]:
        """Held while purchases or tokens move; released between jobs, so commands can run too.

        Raises HomeInUse while a command has it.
        """
        if self._moving.locked():
            report.step(WAITING)
        async with self._moving:
            with self.wallet.purchasing():
                yield

    # ---- back-ups -------------------------------------------------------------------------------

    def backed_up_at(self) -> int | None:
        """Unix seconds of the last back-up that a face made."""
        home = self.wallet.home
        text = home.read(BACKUP_NOTE) if home.has(BACKUP_NOTE) else b""
        return int(text) if text.isdigit() else None

    def note_backup(self, now: int) -> None:
        self.wallet.home.write_secret(BACKUP_NOTE, str(now).encode())

    def changed_at(self) -> int | None:
        """When a purchase moved last: a back-up before that lacks its keys."""
        orders = self.wallet.database.run_now(all_orders)
        return max((order.changed_at for order in orders), default=None)

    def note_balance(self, shopper: Shopper) -> None:
        """Remember the balance that an answer on the account's connection contained."""
        login, amount = shopper.session.login, shopper.session.balance
        if login is not None and amount is not None:
            self.balance = KnownBalance(login.username, amount, self.wallet.clock())
