"""The two ways to pay for an order: from the account, or with a token.

A payment prepares a quote before the person is asked, commits itself with the order at "y", and
sends what is committed. What it sends is in the order's row alone, so that a wallet that was killed
sends the same again without being unlocked.
"""

from dataclasses import dataclass, field, replace
from typing import Protocol

from msgspec.structs import replace as replace_fields
from sqlalchemy import Connection

from veilmart.crypto import blind_rsa
from veilmart.crypto.token_key import SPKI_BYTES, parse_token_key
from veilmart.customer.effects import (
    AskAttached,
    AskBroker,
    BrokerDescriptor,
    GetPublic,
    KnownBalance,
    UnlockedSeed,
)
from veilmart.customer.quote import Quote
from veilmart.customer.wallet.account_use import note_token_use
from veilmart.customer.wallet.orders import Order, add_order, order_key, save_order
from veilmart.customer.wallet.tokens import (
    KnownKey,
    StoredToken,
    add_refund,
    finished,
    known_key,
    oldest_unspent,
    save_keys,
    show_token,
)
from veilmart.errors import (
    DeadlinesTooLong,
    InsufficientBalance,
    MalformedMessage,
    NoTokens,
    RefundKeyUnfit,
    SpendingTooSoon,
    TokenInvalid,
    TokenKeyEnded,
    TokenKeyInvalid,
    TokenKeyUnknown,
)
from veilmart.limits import (
    BODY_MAX_BYTES,
    TOKEN_ASK_AGAIN_SECONDS,
    TOKEN_ORDER_MAX_SECONDS,
    TOKEN_REST_SECONDS,
)
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.customer_messages import Paid, Pay
from veilmart.protocol.descriptor import Descriptor, SignedDescriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.ports import Clock
from veilmart.protocol.token import blind_token, parse_token
from veilmart.protocol.token_list import ListedKey, issuing_key, listed_keys
from veilmart.protocol.token_messages import GetRefund, RefundToken, Spend, Spent
from veilmart.protocol.wallet_derivations import refund_secrets


@dataclass(frozen=True)
class Payed:
    """receipt: signed; empty when the token came too late. balance: of the account, after it.

    refund: blind signature of the refund token, or empty. segment: the first one, unverified, where
    it came with the answer.
    """

    receipt: bytes = field(repr=False)
    balance: int | None = None
    refund: bytes = field(default=b"", repr=False)
    segment: bytes | memoryview = field(default=b"", repr=False)


class Ready(Protocol):
    """A payment that can pay a quote. quote: what the person is asked about."""

    @property
    def quote(self) -> Quote: ...

    def commit(self, order: Order) -> Rule[Order]:
        """The order's first commit, with what pays for it."""
        ...


class Payment(Protocol):
    def prepare(self, quote: Quote) -> Rule[Ready]:
        """Whether it can pay this. Raises InsufficientBalance, NoTokens, SpendingTooSoon ..."""
        ...


@dataclass(frozen=True)
class AccountReady:
    """quote: with the balance."""

    quote: Quote

    def commit(self, order: Order) -> Rule[Order]:
        yield from transact(add_order, order)
        return order


class AccountPayment:
    """From the balance of the logged-in account."""

    def prepare(self, quote: Quote) -> Rule[Ready]:
        balance = yield from KnownBalance(quote.price)
        if balance < quote.price:
            decimals = quote.choice.broker.descriptor.decimals
            has, needs = format_amount(balance, decimals), format_amount(quote.price, decimals)
            raise InsufficientBalance(f"It is {has}, the price is {needs}.")
        return AccountReady(replace(quote, balance=balance))


@dataclass(frozen=True)
class ChosenToken:
    """An unspent token, with the key that finishes it."""

    token: StoredToken
    key: KnownKey


@dataclass(frozen=True)
class TokenPayment:
    """By a token of the order's price. seed: the wallet's (32). now: spend it however fresh."""

    seed: bytes = field(repr=False)
    clock: Clock
    now: bool = False

    def prepare(self, quote: Quote) -> Rule[Ready]:
        offer = quote.offer
        if offer.deliver_within + offer.settle_within > TOKEN_ORDER_MAX_SECONDS:
            raise DeadlinesTooLong
        broker = quote.choice.broker
        keys = yield from _public_keys(broker)
        now = self.clock()
        refund_entry(listed_in(keys), quote.price, now)
        known = list(keys.values())
        chosen = yield from transact(_learn_and_choose, known, broker, quote.price, now)
        self.check_rested(chosen)
        return TokenReady(quote, self, keys, chosen)

    def check_rested(self, chosen: ChosenToken) -> None:
        """Raises SpendingTooSoon."""
        if not self.now and is_fresh(chosen.token, self.clock()):
            raise SpendingTooSoon


@dataclass(frozen=True)
class TokenReady:
    """keys: all that the broker lists, by id. chosen: before the person was asked."""

    quote: Quote
    payment: TokenPayment = field(repr=False)
    keys: dict[bytes, KnownKey] = field(repr=False)
    chosen: ChosenToken = field(repr=False)

    def commit(self, order: Order) -> Rule[Order]:
        """Raises NoTokens, SpendingTooSoon, RefundKeyUnfit."""
        broker, price, clock = self.quote.choice.broker, self.quote.price, self.payment.clock
        if clock() < self.chosen.key.listed.spend_until:
            try:
                return (yield from self._commit(order, self.chosen))
            except NoTokens:
                pass  # another program was faster while the person was asked
        chosen = yield from transact(_choose, broker, price, clock())
        self.payment.check_rested(chosen)
        return (yield from self._commit(order, chosen))

    def _commit(self, order: Order, chosen: ChosenToken) -> Rule[Order]:
        price = self.quote.price
        refund = self.keys[refund_entry(listed_in(self.keys), price, self.payment.clock()).key]
        spend = _spending(order, self.payment.seed, price, chosen, refund)
        order = replace(order, spend=encode(spend))
        yield from transact(_add_with_token, order, chosen.token.id)
        return order


def refund_entry(listed: tuple[ListedKey, ...], price: int, now: int) -> ListedKey:
    """The key that a refund of this price is signed with now. Raises RefundKeyUnfit."""
    found = issuing_key(listed, price, now)
    if found is None:
        raise RefundKeyUnfit("The broker lists none of that price for now.")
    return found


def listed_in(keys: dict[bytes, KnownKey]) -> tuple[ListedKey, ...]:
    """What the descriptor says of the keys that `_public_keys` returned, in its order."""
    return tuple(key.listed for key in keys.values())


def token_for(
    connection: Connection, broker: SignedDescriptor, price: int, now: int
) -> ChosenToken | None:
    """The token to spend: rested ones first, then those that end first; None when none fits.

    Of a key that the descriptor at hand lists, whatever the wallet was shown elsewhere.
    """
    found: ChosenToken | None = None
    for listed in listed_keys(broker.descriptor):  # by epoch: those that end first come first
        if not lasts(listed, price, now):
            continue
        key = known_key(connection, broker.fingerprint, listed.key)
        if key is None or key.listed != listed:
            continue
        token = oldest_unspent(connection, listed.key)
        if token is None:
            continue
        if not is_fresh(token, now):
            return ChosenToken(token, key)
        found = found or ChosenToken(token, key)
    return found


def is_fresh(token: StoredToken, now: int) -> bool:
    """Whether it has not rested; refunds are no withdrawals, but tell as much."""
    return now - token.got_at < TOKEN_REST_SECONDS


def lasts(listed: ListedKey, price: int, now: int) -> bool:
    """Whether its tokens pay this price now."""
    return listed.price == price and now < listed.spend_until


def spendable_keys(
    descriptor: Descriptor, keys: dict[bytes, KnownKey], price: int, now: int
) -> set[bytes]:
    """Ids of keys of this price that the descriptor lists, as we know them, and that last."""
    listed = listed_keys(descriptor)
    return {
        key.key
        for key in listed
        if lasts(key, price, now) and key.key in keys and keys[key.key].listed == key
    }


def _choose(connection: Connection, broker: SignedDescriptor, price: int, now: int) -> ChosenToken:
    """`token_for`. Raises NoTokens."""
    chosen = token_for(connection, broker, price, now)
    if chosen is None:
        shown = format_amount(price, broker.descriptor.decimals)
        raise NoTokens(f"The price is {shown}.")
    return chosen


def _learn_and_choose(
    connection: Connection, known: list[KnownKey], broker: SignedDescriptor, price: int, now: int
) -> ChosenToken:
    """One transaction: keep the public keys that came, and look for a token. Raises NoTokens."""
    save_keys(connection, known)
    return _choose(connection, broker, price, now)


def _add_with_token(connection: Connection, order: Order, token: int) -> None:
    """One transaction: which token pays for which order, before either is shown."""
    show_token(connection, token, order.order)
    add_order(connection, order)
    note_token_use(connection, order.broker, order.changed_at)


def _spending(
    order: Order, seed: bytes, price: int, chosen: ChosenToken, refund_key: KnownKey
) -> Spend:
    public_half, refund = order_key(order), refund_key.public
    return Spend(
        operation=operation_id(order.order, "spend"),
        order=order.order,
        amount=price,
        token=finished(seed, chosen.token, chosen.key),
        refund_key=refund_key.listed.key,
        refund_blinded=blind_token(refund, refund_secrets(seed, refund, public_half)),
        order_key=public_half,
        signature=sign_action(order.order_seed, order.order, "spend"),
    )


def renew_refund(order: Order, clock: Clock) -> Rule[Order]:
    """The same token for the same order, with a refund under the key that issues now.

    For an order that was cut off so long ago that its refund key does not fit any more. Raises
    WalletLocked, RefundKeyUnfit.
    """
    seed = yield from UnlockedSeed()
    broker = yield from BrokerDescriptor(fresh=True)
    spend = refunding(order)
    listed = refund_entry(listed_keys(broker.descriptor), spend.amount, clock())
    key = (yield from fetch_keys(broker))[listed.key]
    blinded = blind_token(key.public, refund_secrets(seed, key.public, spend.order_key))
    renewed = replace_fields(spend, refund_key=listed.key, refund_blinded=blinded)
    order = replace(order, spend=encode(renewed))
    yield from transact(save_order, order)
    return order


# ---- what is sent --------------------------------------------------------------------------------


def send_payment(order: Order, amount: int) -> Rule[Payed]:
    """Send the payment of the order's row; a repeated operation gets the same answer."""
    if order.spend is None:
        request = Pay(operation=operation_id(order.order, "pay"), order=order.order, amount=amount)
        paid, segment = yield from AskAttached(request, Paid)
        return Payed(paid.receipt, paid.balance, segment=segment)
    spend = decode(Spend, order.spend, BODY_MAX_BYTES)
    spent, segment = yield from AskAttached(spend, Spent)
    if bool(spent.receipt) == bool(spent.refund):
        raise MalformedMessage(
            "The broker answered a token with neither receipt nor refund, or with both."
        )
    return Payed(spent.receipt, None, spent.refund, segment)


def keep_refund(order: Order, key: bytes, signature: bytes, clock: Clock) -> Rule[None]:
    """Verify a refund token's blind signature and keep it; no seed is needed for that."""
    spend = refunding(order)
    known = yield from transact(known_key, order.broker, key)
    if known is None or key != spend.refund_key:
        raise TokenKeyUnknown("The refund is signed with another key than the requested one.")
    check_blind_signature(known, spend.refund_blinded, signature)
    row = (order.broker, key, spend.order_key, signature, clock())
    yield from transact(add_refund, *row)


def fetch_refund(order: Order, clock: Clock) -> Rule[None]:
    """Ask for the refund token of a refunded order. Raises NotRefunded, TokenInvalid."""
    signature = sign_action(order.order_seed, order.order, "refund")
    request = GetRefund(order=order.order, signature=signature)
    answer = yield from AskBroker(request, RefundToken)
    yield from keep_refund(order, answer.key, answer.signature, clock)


def refunding(order: Order) -> Spend:
    """What an order that a token pays says about its refund."""
    return decode(Spend, order.spend or b"", BODY_MAX_BYTES)


def check_blind_signature(key: KnownKey, blinded: bytes, signature: bytes) -> None:
    """signature^65537 is what was to be signed. Raises TokenInvalid."""
    if not blind_rsa.signs(key.public.numbers, blinded, signature):
        raise TokenInvalid("The refund does not fit the request.")


def may_pay_later(order: Order, clock: Clock) -> Rule[bool]:
    """Whether the key of the order's token still lasts by our clock, so that another is wrong.

    A token was shown for its order and can pay for no other, hence it is asked about again.
    """
    if order.spend is None or clock() >= order.made_at + TOKEN_ASK_AGAIN_SECONDS:
        return False
    token = parse_token(refunding(order).token)
    key = yield from transact(known_key, order.broker, token.key_id)
    return key is not None and clock() < key.listed.spend_until


LOST = (TokenKeyEnded, TokenKeyUnknown, TokenInvalid)
"""Refusals after which a token is worthless, for this order and any other."""


def fetch_keys(broker: SignedDescriptor) -> Rule[dict[bytes, KnownKey]]:
    """`_public_keys`, kept."""
    found = yield from _public_keys(broker)
    if found:
        yield from transact(save_keys, list(found.values()))
    return found


def _public_keys(broker: SignedDescriptor) -> Rule[dict[bytes, KnownKey]]:
    """The public keys that a descriptor lists, by id; fetched whole, whatever is known already.

    To ask for one key, or only for those that are missing, would tell what was withdrawn under
    which (docs/protocol/11-tokens.md, 11.1). Raises TokenKeyInvalid.
    """
    listed = listed_keys(broker.descriptor)
    if not listed:
        return {}
    path = f"/v1/token-keys/{broker.descriptor.serial}"
    data = yield from GetPublic(path, len(listed) * SPKI_BYTES)
    if len(data) != len(listed) * SPKI_BYTES:
        raise TokenKeyInvalid("The answer has another number of keys than the descriptor lists.")
    found: dict[bytes, KnownKey] = {}
    for place, entry in enumerate(listed):
        spki = bytes(data[place * SPKI_BYTES : (place + 1) * SPKI_BYTES])
        if parse_token_key(spki).key_id != entry.key:
            raise TokenKeyInvalid("It is not the one that the descriptor lists.")
        found[entry.key] = KnownKey(broker.fingerprint, entry, spki)
    return found
