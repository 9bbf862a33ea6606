"""People with tokens, honest and not: they withdraw, and spend without an account.

They speak the protocol (docs/protocol/11-tokens.md) themselves and remember everything, so that
what is tested here is the broker: each token pays once, whatever happens to request and answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.simulator.customers import Person, enter, wallet_of
from tests.simulator.token_quotes import quote_for, settle
from tests.simulator.verdict import Violated
from tests.simulator.world import World
from tests.support.simulated_process import Process
from veilmart.broker.keys.token_keys import epoch_of
from veilmart.crypto import signing
from veilmart.crypto.token_key import TokenPublicKey, parse_token_key
from veilmart.customer.connection.shopper import Shopper, connect
from veilmart.customer.quote import Quote
from veilmart.errors import TokenSpent, VeilmartError
from veilmart.protocol import wallet_derivations
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.token import blind_token, finish_token
from veilmart.protocol.token_messages import (
    SIGNATURE_BYTES,
    Claim,
    Claimed,
    Deposit,
    Deposited,
    GetRefund,
    Issue,
    Issued,
    RefundToken,
    Spend,
    Spent,
)

PRICE = 500
TRIES = 6
_KEY = "SELECT spki FROM token_keys WHERE price = ? AND epoch = ?"


@dataclass
class Purse:
    """What a holder remembers. tokens: unspent. next: first counter not used yet, under a key.

    spent: shown to the broker. taken: those of which it said that it took them.
    """

    seed: bytes
    wallet: bytes
    tokens: list[bytes] = field(default_factory=list, repr=False)
    next: dict[bytes, int] = field(default_factory=dict)
    spent: list[bytes] = field(default_factory=list, repr=False)
    taken: set[bytes] = field(default_factory=set, repr=False)


@dataclass
class Visit:
    """What one deed works with."""

    world: World
    process: Process
    person: Person
    purse: Purse

    def key(self) -> TokenPublicKey:
        """The token key of this epoch, which every broker's descriptor lists."""
        row = self.world.broker_disk.raw.execute(_KEY, (PRICE, epoch_of(self.world.clock())))
        return parse_token_key(row.fetchone()[0])

    async def shopper(self, *, anonymous: bool) -> Shopper:
        found = await connect(
            wallet_of(self.world, self.process, self.person),
            self.world.template.link,
            suite=self.person.suite,
            open_client=self.world.network.opener(self.process),
            anonymous=anonymous,
        )
        if not anonymous:
            await enter(found, self.person)
        return found

    def spending(self, quote: Quote, token: bytes, key: TokenPublicKey) -> Spend:
        public = signing.public_key(quote.order_seed)
        secrets = wallet_derivations.refund_secrets(self.purse.seed, key, public)
        return Spend(
            operation=operation_id(quote.order, "spend"),
            order=quote.order,
            amount=quote.price,
            token=token,
            refund_key=key.key_id,
            refund_blinded=blind_token(key, secrets),
            order_key=public,
            signature=sign_action(quote.order_seed, quote.order, "spend"),
        )

    async def patiently(self, request: Any, kind: type[Any], *, anonymous: bool) -> Any:
        """The answer, or None: asked again and again, each time on a connection of its own."""
        for _ in range(TRIES):
            try:
                shopper = await self.shopper(anonymous=anonymous)
                answer, _segment = await shopper.session.ask_attached(request, kind)
                return answer
            except TokenSpent:
                raise
            except VeilmartError as error:
                self.world.story.tell(self.person.name, error)
                await self.world.pause(self.person.random.uniform(1, 40))
        return None


async def withdraws(visit: Visit) -> None:
    """Three tokens. Asked again with the same counters until there is an answer."""
    purse, key = visit.purse, visit.key()
    first = purse.next.setdefault(key.key_id, 0)
    secrets = [
        wallet_derivations.token_secrets(purse.seed, key, first + index) for index in range(3)
    ]
    name, count = visit.person.name, len(secrets)
    request = Issue(
        request=wallet_derivations.issue_request_id(purse.seed, name, key.key_id, first, count),
        wallet=purse.wallet,
        key=key.key_id,
        first=first,
        blinded=b"".join(blind_token(key, each) for each in secrets),
    )
    await visit.patiently(Claim(wallet=purse.wallet), Claimed, anonymous=False)
    issued: Issued | None = await visit.patiently(request, Issued, anonymous=False)
    if issued is None:
        return  # the next withdrawal asks for the same
    purse.next[key.key_id] = first + count
    for index, each in enumerate(secrets):
        signature = issued.signatures[index * SIGNATURE_BYTES : (index + 1) * SIGNATURE_BYTES]
        purse.tokens.append(finish_token(key, each, signature))


async def buys(visit: Visit) -> None:
    """One token, one order; cancelled now and then, for a token in return."""
    if not visit.purse.tokens:
        return
    quote = await _quote(visit)
    key, token = visit.key(), visit.purse.tokens.pop()
    visit.purse.spent.append(token)
    spent = await visit.patiently(visit.spending(quote, token, key), Spent, anonymous=True)
    if spent is None:
        return  # it may be spent or not; an honest wallet asks later, and so does the deadline
    visit.purse.taken.add(token)
    wants = visit.person.random.choice(("goods", "goods", "money"))
    if not spent.refund:
        await settle(await visit.shopper(anonymous=True), quote, wants)
    if spent.refund or wants == "money":
        await _fetch_refund(visit, quote, key)


async def spends_twice_at_once(visit: Visit) -> None:
    """One token for two orders: one of them at most is paid."""
    if not visit.purse.tokens:
        return
    first, second = await _quote(visit), await _quote(visit)
    key, token = visit.key(), visit.purse.tokens.pop()
    visit.purse.spent.append(token)
    answers = await asyncio.gather(
        *(
            visit.patiently(visit.spending(quote, token, key), Spent, anonymous=True)
            for quote in (first, second)
        ),
        return_exceptions=True,
    )
    if sum(isinstance(answer, Spent) for answer in answers) > 1:
        raise Violated(f"{visit.person.name} spent one token for two orders.")


async def spends_again_what_is_spent(visit: Visit) -> None:
    if not visit.purse.spent:
        return
    token = visit.person.random.choice(visit.purse.spent)
    known = token in visit.purse.taken
    quote = await _quote(visit)
    try:
        answer = await visit.patiently(
            visit.spending(quote, token, visit.key()), Spent, anonymous=True
        )
    except TokenSpent:
        return
    if answer is not None and known:
        raise Violated(f"{visit.person.name} spent a token again.")


async def deposits(visit: Visit) -> None:
    """An unspent token back on the account; a spent one is refused."""
    if visit.purse.tokens:
        token = visit.purse.tokens.pop()
        visit.purse.spent.append(token)
        if await visit.patiently(Deposit(token=token), Deposited, anonymous=False) is not None:
            visit.purse.taken.add(token)


DEEDS: tuple[Callable[[Visit], Awaitable[None]], ...] = (
    buys,
    buys,
    buys,
    buys,
    spends_twice_at_once,
    spends_again_what_is_spent,
    deposits,
)


async def _quote(visit: Visit) -> Quote:
    shopper = await visit.shopper(anonymous=True)
    quote = await quote_for(shopper, visit.world.template.merchant_print, PRICE, visit.person)
    visit.world.known.by_token[quote.order] = visit.person.name
    return quote


async def _fetch_refund(visit: Visit, quote: Quote, key: TokenPublicKey) -> None:
    signature = sign_action(quote.order_seed, quote.order, "refund")
    request = GetRefund(order=quote.order, signature=signature)
    answer = await visit.patiently(request, RefundToken, anonymous=True)
    if answer is not None:
        public = signing.public_key(quote.order_seed)
        secrets = wallet_derivations.refund_secrets(visit.purse.seed, key, public)
        visit.purse.tokens.append(finish_token(key, secrets, answer.signature))


async def live_as_holder(world: World, process: Process, person: Person) -> None:
    """One incarnation: `wants` deeds, one after the other."""
    purse = world.purses.setdefault(
        person.name, Purse(person.random.randbytes(32), person.random.randbytes(16))
    )
    while person.wants > 0:
        deed = person.random.choice(DEEDS)
        if not purse.tokens and person.random.random() < 0.8:
            deed = withdraws
        person.wants -= 1
        world.story.tell(person.name, deed.__name__.replace("_", " "))
        try:
            await deed(Visit(world, process, person, purse))
        except VeilmartError as error:
            world.story.tell(person.name, error)
        await world.pause(person.random.uniform(1, 60))
        process.check()
    person.content = True
