"""A customer's use cases at a broker, as methods that return structs.

Methods print nothing and ask nothing; the caller passes in a function that confirms and an
observer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from veilmart.crypto.suite import Suite
from veilmart.customer.browsing.catalogue_rules import fetch_catalogue
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.browsing.showcase_rules import look as look_rule
from veilmart.customer.browsing.tunnel_rules import Tunnel, open_tunnel
from veilmart.customer.connection.account import AccountCalls
from veilmart.customer.connection.merchant_descriptors import MerchantDescriptors
from veilmart.customer.connection.performer import ConfirmQuote, Performer, always
from veilmart.customer.connection.session import BrokerSession
from veilmart.customer.events import Observer, StepReached, ignore
from veilmart.customer.purchase.completion_rules import Bought
from veilmart.customer.purchase.payment_rules import AccountPayment, Payment
from veilmart.customer.purchase.purchase_rules import purchase
from veilmart.customer.purchase.recovery_rules import Recovered, cancel, recover
from veilmart.customer.quote import Choice
from veilmart.customer.trust.descriptors import (
    Approve,
    accept_merchant,
    http_client,
    refuse,
    resolve,
    trusted_broker,
)
from veilmart.customer.trust.pins import (
    PinnedBroker,
    PinnedMerchant,
    StoredLogin,
    pin_broker,
    pin_merchant,
    pinned_merchant,
    stored_login,
)
from veilmart.customer.wallet.orders import Order
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    DescriptorUnknown,
    ProductOut,
)
from veilmart.protocol.address import Link
from veilmart.protocol.catalogue import Product
from veilmart.protocol.customer_messages import (
    GetMerchants,
    MerchantEntry,
    Merchants,
)
from veilmart.protocol.descriptor import SignedDescriptor, choose_suite
from veilmart.protocol.effects import Rule
from veilmart.protocol.showcase import Picture, Showcase
from veilmart.transport.port import Client, OpenClient

MERCHANT_PAGES_MAX = 40
T = TypeVar("T")


class Shopper:
    """One customer's connection to one broker. Made by `connect`; close it when done."""

    def __init__(
        self,
        wallet: Wallet,
        http: Client,
        descriptor: SignedDescriptor,
        url: str,
        suite: Suite | None,
        login: StoredLogin | None,
        observe: Observer,
        beside: Callable[[], Awaitable["Shopper"]],
        *,
        anonymous: bool = False,
    ) -> None:
        """beside: makes an anonymous connection to the same broker, for looking around."""
        self.anonymous = anonymous
        self._beside = beside
        self.wallet = wallet
        self.http = http
        self.url = url
        self.suite = suite
        self.observe = observe
        self._merchants: dict[bytes, SignedDescriptor] = {}
        self._sources: dict[bytes, MerchantDescriptors] = {}
        self._tunnel: Tunnel | None = None
        self._background: set[asyncio.Task[None]] = set()
        self.session = BrokerSession(
            wallet, http, descriptor, suite, login, self.refresh_broker, observe
        )
        self.account = AccountCalls(wallet, self.session, observe)

    async def __aenter__(self) -> "Shopper":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            for task in self._background:
                task.cancel()
        await self.aclose()

    async def aclose(self) -> None:
        """Wait until all is settled, then close the connections; the wallet stays open."""
        try:
            await self.settled()
        finally:
            for task in self._background:
                task.cancel()
            await self.http.aclose()

    async def settled(self) -> None:
        """Wait for the acknowledgements that purchases left to the background."""
        for ended in await asyncio.gather(*self._background, return_exceptions=True):
            if isinstance(ended, Exception):  # not one that was told: a fault of ours
                raise ended

    @property
    def broker(self) -> SignedDescriptor:
        return self.session.descriptor

    @property
    def logged_in(self) -> bool:
        return self.session.login is not None

    async def refresh_broker(self) -> SignedDescriptor:
        """The broker's descriptor, fetched and checked anew."""
        fingerprint = self.session.descriptor.fingerprint
        return await trusted_broker(
            self.wallet,
            self.http,
            self.url,
            fingerprint,
            refuse,
            anonymous=self.anonymous,
            despite_proofs=True,
        )

    # ---- merchants ------------------------------------------------------------------------------

    async def merchants(self) -> list[MerchantEntry]:
        """Every merchant that the broker carries."""
        found: list[MerchantEntry] = []
        for _ in range(MERCHANT_PAGES_MAX):
            after = found[-1].fingerprint if found else b""
            page: Merchants = await self.session.ask(GetMerchants(after=after), Merchants)
            found.extend(page.entries)
            if not page.more or not page.entries:
                break
        return found

    async def merchant(self, fingerprint: bytes, *, fresh: bool = False) -> SignedDescriptor:
        """A merchant's checked descriptor. Raises NotPinned, and what a check raises."""
        known = self._merchants.get(fingerprint)
        current = known is not None and self.wallet.clock() < known.descriptor.not_after
        if known is not None and current and not fresh:
            return known
        self.observe(StepReached("descriptor"))
        broker = self.broker.fingerprint
        source = self.descriptors_of(fingerprint)
        found = await accept_merchant(
            self.wallet, broker, fingerprint, source, anonymous=self.anonymous
        )
        self._merchants[fingerprint] = found
        return found

    def descriptors_of(self, fingerprint: bytes) -> MerchantDescriptors:
        """Where a merchant's descriptors come from, unchecked; one source for each merchant."""
        source = self._sources.get(fingerprint)
        if source is None:
            source = self._sources[fingerprint] = MerchantDescriptors(self.session, fingerprint)
        return source

    async def pin_merchant(self, fingerprint: bytes) -> None:
        """Trust a merchant by its fingerprint (32 bytes), from a link or compared by the person."""
        broker = self.broker.fingerprint
        if await self.wallet.database.run(pinned_merchant, broker, fingerprint) is None:
            pin = PinnedMerchant(broker, fingerprint, None)
            await self.wallet.database.run(pin_merchant, pin, self.wallet.clock())

    async def tunnel(self, merchant: SignedDescriptor) -> Tunnel:
        """The tunnel that `browse` opened on an anonymous connection, or a fresh one."""
        found = self._opened(merchant)
        if found is None:
            found = await self.perform(self._opening(merchant))
        return found

    def _opening(self, merchant: SignedDescriptor) -> Rule[Tunnel]:
        return open_tunnel(merchant, self.suite_for(merchant), self.wallet.random)

    def _opened(self, merchant: SignedDescriptor) -> Tunnel | None:
        opened, self._tunnel = self._tunnel, None
        return opened if opened and opened.merchant.hash == merchant.hash else None

    # ---- shopping -------------------------------------------------------------------------------

    async def browse(self, merchant: bytes) -> Menu:
        """The merchant's newest catalogue, in a tunnel of its own; never as the account."""
        if not self.anonymous:
            async with await self._beside() as visitor:
                return await visitor.browse(merchant)
        try:
            return await self._browse(await self.merchant(merchant))
        except DescriptorUnknown:
            return await self._browse(await self.merchant(merchant, fresh=True))

    async def _browse(self, descriptor: SignedDescriptor) -> Menu:
        tunnel = await self.perform(self._opening(descriptor))
        rule = fetch_catalogue(tunnel, self.wallet.clock, self.wallet.random)
        menu = Menu(descriptor, await self.perform(rule))
        self._tunnel = tunnel  # this connection is for one purchase, and so is its tunnel
        return menu

    async def showcase(self, menu: Menu, shelf: int) -> dict[bytes, Picture]:
        """Covers and samples of a shelf by product id, in a tunnel of its own.

        The broker sees which shelf's, not which product's. Raises ProductGone when the catalogue
        has changed since.
        """
        if not self.anonymous:
            async with await self._beside() as visitor:
                return await visitor.showcase(menu, shelf)
        entries = {entry.shelf: entry for entry in menu.catalogue.catalogue.showcases}
        if shelf not in entries:
            return {}
        suite = self.suite_for(menu.merchant)
        rule = look_rule(menu.merchant, suite, entries[shelf], self.wallet.random)
        shown: Showcase = await self.perform(rule)
        return {picture.product: picture for picture in shown.pictures}

    async def buy(
        self,
        menu: Menu,
        product: Product,
        out: Path,
        confirm: ConfirmQuote = always,
        payment: Payment | None = None,
        *,
        later: bool = False,
    ) -> Bought:
        """Buy one product of a menu into the folder `out`.

        payment: from the account by default. later: return when the file is there; the
        acknowledgement leaves at its slot, and `aclose` and `settled` wait for it. Raises Declined
        when `confirm` returns False, ProductOut, and every error of the steps; after an error later
        than the confirmation, `sync` continues the purchase.
        """
        if not product.available:
            raise ProductOut
        wallet, merchant = self.wallet, menu.merchant
        if not self.anonymous:
            # The menu came on another connection; the account goes by what it was shown.
            merchant = await self.merchant(merchant.fingerprint)
        shown = merchant
        while True:
            shelf, suite = Menu(merchant, menu.catalogue).shelf(product), self.suite_for(merchant)
            choice = Choice(self.broker, merchant, product, shelf, suite, out)
            paying, tunnel = payment or AccountPayment(), self._opened(merchant)
            rule = purchase(choice, paying, wallet.clock, wallet.random, tunnel, later=later)
            try:
                return await self._performer(confirm).run(rule)
            except DescriptorUnknown:
                if merchant is not shown:
                    raise
            # The merchant renewed its descriptor since the menu was fetched.
            merchant = await self.merchant(merchant.fingerprint, fresh=True)

    async def recover(self, order: Order) -> Recovered:
        """Finish, refund or abandon an interrupted purchase (see recovery_rules.py)."""
        return await self.perform(recover(order, self.wallet.clock))

    async def cancel(self, order: Order) -> Recovered:
        """Cancel a purchase; the whole amount comes back. Raises WrongOrderState if too late."""
        return await self.perform(cancel(order, self.wallet.clock))

    def _performer(self, confirm: ConfirmQuote) -> Performer:
        return Performer(
            self.wallet,
            self.session,
            self.refresh_broker,
            self.observe,
            self._background,
            confirm,
        )

    async def perform(self, rule: Rule[T]) -> T:
        """Run a rule that asks the person nothing, at this broker."""
        return await self._performer(always).run(rule)

    def suite_for(self, merchant: SignedDescriptor) -> Suite:
        """The suite asked for, or the merchant's first. Raises UnknownSuite."""
        return choose_suite(merchant, self.suite)


async def connect(
    wallet: Wallet,
    address: str | Link | None = None,
    *,
    approve: Approve = refuse,
    suite: Suite | None = None,
    observe: Observer = ignore,
    anonymous: bool = False,
    open_client: OpenClient | None = None,
    recovering: bool = False,
) -> Shopper:
    """Reach a broker and check its identity, without sending anything secret.

    address: a link, a URL, or None for the broker used last. A link's merchant is pinned.
    anonymous: not logged in, even if this machine is, and in the anonymous view. recovering: to
    finish what was paid; no proof against the broker stops it. Raises NotInitialised without an
    address and a pin, BadLink, NotPinned when `approve` says no, and FingerprintChanged,
    SerialLower, DescriptorForked, ViewsForked, TokenKeysForked, DescriptorExpired.
    """
    link = await resolve(wallet, address)
    http = http_client(wallet, link.url, open_client)
    observe(StepReached("session"))
    try:
        descriptor = await trusted_broker(
            wallet,
            http,
            link.url,
            link.broker,
            approve,
            merchant=link.merchant,
            anonymous=anonymous,
            despite_proofs=recovering,
        )
        login = None
        if not anonymous:
            login = await wallet.database.run(stored_login, descriptor.fingerprint)
        own = replace(link, broker=descriptor.fingerprint, merchant=None, product=None)
        beside = partial(
            connect,
            wallet,
            own,
            suite=suite,
            observe=observe,
            anonymous=True,
            open_client=open_client,
        )
        shopper = Shopper(
            wallet, http, descriptor, link.url, suite, login, observe, beside, anonymous=anonymous
        )
        if address is not None and not anonymous:
            pin = PinnedBroker(descriptor.fingerprint, link.url, descriptor.signed)
            await wallet.database.run(pin_broker, pin, wallet.clock())
    except BaseException:
        await http.aclose()
        raise
    return shopper
