"""Cheating customers: real sessions, and requests that no honest wallet would send.

Every trick that must be refused is a coroutine; that it is not refused is what breaks the run. What
the weather makes of it (nobody answers, something does not open) is as good as a refusal.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.simulator.customers import Person, enter, pick, wallet_of
from tests.simulator.verdict import Violated
from tests.simulator.world import World
from tests.support.simulated_process import Process
from veilmart.crypto import signing
from veilmart.customer.browsing.menu import Menu
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.purchase.select_rules import select
from veilmart.customer.quote import Choice, Quote
from veilmart.errors import VeilmartError
from veilmart.protocol.customer_messages import (
    Acknowledge,
    Cancel,
    Noted,
    OrderStatus,
    Paid,
    Pay,
    Release,
    Released,
)
from veilmart.protocol.dispute_messages import Dispute, Evidence, SendEvidence
from veilmart.protocol.encoding import encode
from veilmart.protocol.order_key import Action, operation_id, sign_action

LURKS = 40
_ASKED = {"release": (Release, Released), "cancel": (Cancel, OrderStatus)} | {
    "acknowledge": (Acknowledge, OrderStatus)
}


@dataclass
class Attempt:
    """What a trick works with."""

    world: World
    shopper: Shopper
    person: Person
    menu: Menu

    async def quote(self) -> Quote:
        """An offer that nobody has paid; from now on whatever it costs is this cheater's."""
        product = pick(self.person, self.menu)
        merchant, suite = self.menu.merchant, self.shopper.suite_for(self.menu.merchant)
        shelf = self.menu.shelf(product)
        choice = Choice(self.shopper.broker, merchant, product, shelf, suite, self.person.out)
        wallet = self.shopper.wallet
        found: Quote = await self.shopper.perform(select(choice, wallet.clock(), wallet.random))
        self.world.known.cheated[found.order] = self.person.name
        return found

    async def act(self, action: Action, order: bytes, seed: bytes, **changed: Any) -> bool:
        """Whether the broker did what it was asked for with this order key."""
        kind, answer = _ASKED[action]
        fields: dict[str, Any] = {
            "operation": operation_id(order, action),
            "order": order,
            "signature": sign_action(seed, order, action),
        }
        return await self.accepted(kind(**fields | changed), answer)

    async def pay(self, quote: Quote, **changed: Any) -> bool:
        fields: dict[str, Any] = {
            "operation": operation_id(quote.order, "pay"),
            "order": quote.order,
            "amount": quote.price,
        }
        return await self.accepted(Pay(**fields | changed), Paid)

    async def accepted(self, request: Any, kind: type[Any]) -> bool:
        """Whether the broker went along; a paid one sends the first segment behind its answer."""
        try:
            await self.shopper.session.ask_attached(request, kind)
        except VeilmartError:
            return False
        return True

    def must_fail(self, accepted: bool, what: str) -> None:
        if accepted:
            raise Violated(f"{self.person.name} {what}, and the broker went along.")


async def cancels_after_the_key_came(attempt: Attempt) -> None:
    quote = await attempt.quote()
    if not (await attempt.pay(quote) and await attempt.act("release", *_key(quote))):
        return
    attempt.must_fail(await attempt.act("cancel", *_key(quote)), "cancelled with the key in hand")
    await attempt.act("acknowledge", *_key(quote))
    attempt.must_fail(await attempt.act("cancel", *_key(quote)), "cancelled what was settled")


async def disputes_what_is_right(attempt: Attempt) -> None:
    """Honest papers as evidence against an honest merchant."""
    quote = await attempt.quote()
    if not (await attempt.pay(quote) and await attempt.act("release", *_key(quote))):
        return
    evidence = encode(
        Evidence(
            offer=quote.signed_offer,
            descriptor=quote.choice.merchant.signed,
            escrow_key=quote.escrow_key,
            segment=b"",
            pieces=b"",
        )
    )
    order, seed = _key(quote)
    part = SendEvidence(
        order=order, part=0, data=evidence, signature=sign_action(seed, order, "evidence", 0)
    )
    await attempt.accepted(part, Noted)
    request = Dispute(
        operation=operation_id(order, "dispute"),
        order=order,
        reason="key",
        index=0,
        parts=1,
        hash=hashlib.sha256(evidence).digest(),
        signature=sign_action(seed, order, "dispute", 0),
    )
    won = await attempt.accepted(request, OrderStatus)
    if order not in attempt.world.known.crooked:
        attempt.must_fail(won, "disputed a key that is right")


async def wants_the_key_unpaid(attempt: Attempt) -> None:
    quote = await attempt.quote()
    attempt.must_fail(await attempt.act("release", *_key(quote)), "got a key without paying")
    attempt.must_fail(await attempt.act("acknowledge", *_key(quote)), "settled without paying")


async def wants_the_key_after_cancelling(attempt: Attempt) -> None:
    quote = await attempt.quote()
    if not (await attempt.pay(quote) and await attempt.act("cancel", *_key(quote))):
        return
    attempt.must_fail(await attempt.act("release", *_key(quote)), "got the key of a refund")


async def pays_less(attempt: Attempt) -> None:
    quote = await attempt.quote()
    attempt.must_fail(await attempt.pay(quote, amount=1), "paid 1")


async def races_key_against_refund(attempt: Attempt) -> None:
    quote = await attempt.quote()
    if not await attempt.pay(quote):
        return
    released, cancelled = await asyncio.gather(
        attempt.act("release", *_key(quote)), attempt.act("cancel", *_key(quote))
    )
    attempt.must_fail(released and cancelled, "got both the key and its money of a race")


async def pays_several_times_at_once(attempt: Attempt) -> None:
    """All of them are the same operation: charged once, whatever they are told."""
    quote = await attempt.quote()
    await asyncio.gather(*(attempt.pay(quote) for _ in range(3)))


async def takes_one_operation_for_another(attempt: Attempt) -> None:
    quote = await attempt.quote()
    other = operation_id(quote.order, "cancel")
    attempt.must_fail(await attempt.pay(quote, operation=other), "paid under another operation")


async def speaks_for_other_peoples_orders(attempt: Attempt) -> None:
    """It waits for an order that is under way. The name is known to it, the order key is not."""
    mine, random = (
        signing.generate_signing_key(attempt.shopper.wallet.random),
        attempt.person.random,
    )
    for _ in range(LURKS):
        await attempt.world.pause(random.uniform(0.01, 0.5))
        for order in attempt.world.known.under_way()[-1:]:
            action = random.choice(("cancel", "release", "acknowledge"))
            said = f"asked for {action} of an order that is not its own"
            attempt.must_fail(await attempt.act(action, order, mine), said)  # type: ignore[arg-type]


TRICKS: tuple[Callable[[Attempt], Awaitable[None]], ...] = (
    cancels_after_the_key_came,
    disputes_what_is_right,
    wants_the_key_unpaid,
    wants_the_key_after_cancelling,
    pays_less,
    races_key_against_refund,
    pays_several_times_at_once,
    takes_one_operation_for_another,
    speaks_for_other_peoples_orders,
)


def _key(quote: Quote) -> tuple[bytes, bytes]:
    return quote.order, quote.order_seed


async def live_as_cheater(world: World, process: Process, person: Person) -> None:
    """One incarnation: `wants` tricks, one after the other."""
    wallet = wallet_of(world, process, person)
    while person.wants > 0:
        trick = person.random.choice(TRICKS)
        person.wants -= 1
        world.story.tell(person.name, f"tries: {trick.__name__.replace('_', ' ')}")
        try:
            shopper = await connect(
                wallet,
                world.template.link,
                suite=person.suite,
                open_client=world.network.opener(process),
            )
            await enter(shopper, person)
            menu = await shopper.browse(world.template.merchant_print)
            await trick(Attempt(world, shopper, person, menu))
        except VeilmartError as error:
            world.story.tell(person.name, error)
        await world.pause(person.random.uniform(1, 60))
        process.check()
    person.content = True
