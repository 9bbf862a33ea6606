"""The asynchronous performer of the effects of the customer's rules."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from veilmart.crypto.signing import generate_signing_key
from veilmart.customer import effects
from veilmart.customer.connection.retries import with_retries
from veilmart.customer.connection.session import BrokerSession
from veilmart.customer.events import Observer, SettlementFailed
from veilmart.customer.quote import Quote
from veilmart.customer.wallet.seed import has_seed
from veilmart.customer.wallet.seed_state import take_order_number
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import NotLoggedIn, VeilmartError, WalletLocked, WalletReplaced
from veilmart.protocol.customer_messages import Account, GetAccount
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule, Transact
from veilmart.protocol.perform import Performers, perform
from veilmart.protocol.wallet_derivations import order_seed

T = TypeVar("T")

ConfirmQuote = Callable[[Quote], bool]


def always(quote: Quote) -> bool:
    """Confirm every quote: for --yes and programs."""
    return True


class Performer:
    """Performs effects for one wallet at one broker. Keep one per purchase: `confirm` differs.

    background: holds what `Later` started until it ends; the owner waits for it.
    """

    def __init__(
        self,
        wallet: Wallet,
        session: BrokerSession,
        refresh: Callable[[], Awaitable[SignedDescriptor]],
        observe: Observer,
        background: set[asyncio.Task[None]],
        confirm: ConfirmQuote = always,
    ) -> None:
        self._wallet = wallet
        self._session = session
        self._refresh = refresh
        self._observe = observe
        self._background = background
        self._confirm = confirm
        self._table: Performers = {
            Transact: self._transact,
            effects.Tell: self._tell,
            effects.AskBroker: self._ask,
            effects.AskAttached: self._ask_attached,
            effects.TakeRequestNumber: self._take_number,
            effects.NextRequestNumber: self._give_number,
            effects.KnownBalance: self._balance,
            effects.GetPublic: self._get_public,
            effects.DrawOrderSeed: self._draw_order_seed,
            effects.UnlockedSeed: self._unlocked_seed,
            effects.Confirm: self._ask_person,
            effects.Pace: self._pace,
            effects.BrokerDescriptor: self._broker_descriptor,
            effects.Together: self._together,
            effects.Later: self._later,
            effects.OnDisk: self._on_disk,
        }

    async def run(self, rule: Rule[T]) -> T:
        return await perform(rule, self._table)

    async def _transact(self, effect: Transact[T]) -> T:
        return await self._wallet.database.run(effect.function, *effect.args)

    async def _tell(self, effect: effects.Tell) -> None:
        self._observe(effect.event)

    # ---- the broker ----------------------------------------------------------------------------

    async def _ask(self, effect: effects.AskBroker[T]) -> T:
        session = self._session
        if effect.bound:
            return await session.ask(effect.request, effect.kind, bound=True)
        answer = await with_retries(lambda: session.ask(effect.request, effect.kind))
        self._note_balance(answer)
        return answer

    async def _ask_attached(self, effect: effects.AskAttached[T]) -> tuple[T, memoryview]:
        session = self._session
        answer, rest = await with_retries(lambda: session.ask_attached(effect.request, effect.kind))
        self._note_balance(answer)
        return answer, rest

    def _note_balance(self, answer: object) -> None:
        balance = getattr(answer, "balance", None)
        if balance is not None:
            self._session.balance = balance

    async def _take_number(self, effect: effects.TakeRequestNumber) -> bytes:
        return await self._session.take_request_number()

    async def _give_number(self, effect: effects.NextRequestNumber) -> None:
        self._session.give_request_number(effect.number)

    async def _balance(self, effect: effects.KnownBalance) -> int:
        session = self._session
        if session.login is None:
            raise NotLoggedIn
        if session.balance is None or session.balance < effect.at_least:
            account: Account = await session.ask(GetAccount(), Account)
            session.balance = account.balance
        return session.balance

    async def _get_public(self, effect: effects.GetPublic) -> bytes:
        http = self._session.http
        return await with_retries(lambda: http.get(effect.path, max_bytes=effect.max_bytes))

    async def _draw_order_seed(self, effect: effects.DrawOrderSeed) -> bytes:
        wallet = self._wallet
        if wallet.seed is not None:
            broker = self._session.descriptor.fingerprint
            try:
                return order_seed(wallet.seed, await wallet.database.run(take_order_number, broker))
            except WalletReplaced:
                # Another machine counts now. What the account pays needs no key from the words.
                if self._session.login is None:
                    raise
                return generate_signing_key(wallet.random)
        if has_seed(wallet):
            raise WalletLocked
        return generate_signing_key(wallet.random)

    async def _unlocked_seed(self, effect: effects.UnlockedSeed) -> bytes:
        if self._wallet.seed is None:
            raise WalletLocked
        return self._wallet.seed

    async def _pace(self, effect: effects.Pace) -> float:
        loop = asyncio.get_running_loop()
        if effect.since is None:
            # What follows takes as long as the goods are, and nobody shall hear how busy we are.
            await self._session.http.rest()
        else:
            passed = loop.time() - effect.since
            slots = int(passed / effect.slot_seconds) + 1
            await asyncio.sleep(slots * effect.slot_seconds - passed)
        return loop.time()

    async def _broker_descriptor(self, effect: effects.BrokerDescriptor) -> SignedDescriptor:
        if effect.fresh:
            self._session.descriptor = await self._refresh()
        return self._session.descriptor

    async def _ask_person(self, effect: effects.Confirm) -> bool:
        return self._confirm(effect.quote)

    # ---- several at once -------------------------------------------------------------------------

    async def _together(self, effect: effects.Together) -> None:
        """The first failure stops the others; what they stored is kept."""
        if len(effect.indices) == 1:
            await self.run(effect.rule(effect.indices[0]))
            return
        waiting = iter(effect.indices)

        async def work() -> None:
            for index in waiting:
                await self.run(effect.rule(index))

        tasks = [
            asyncio.create_task(work()) for _ in range(min(effect.at_once, len(effect.indices)))
        ]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _later(self, effect: effects.Later) -> None:
        async def work() -> None:
            try:
                await self.run(effect.rule())
            except VeilmartError as error:
                self._observe(SettlementFailed(error))

        task = asyncio.create_task(work())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # ---- the disk ---------------------------------------------------------------------------

    async def _on_disk(self, effect: effects.OnDisk[T]) -> T:
        return await asyncio.to_thread(effect.function, self._wallet.parcels, *effect.args)
