"""A token that ends soon, exchanged for a fresh one of the same price, anonymously.

The token is spent for an order that nobody ever offered. The broker takes it as one that comes too
late and answers with the order's refund token, under the key that issues now (docs/protocol/
11-tokens.md, 11.5 and 11.7). So an exchange needs no message of its own, can be sent again with the
same answer, and a wallet restored from its words finds it among its orders.
"""

from msgspec.structs import replace
from sqlalchemy import Connection, delete, insert, select

from veilmart.crypto import signing
from veilmart.customer.effects import AskBroker, BrokerDescriptor, DrawOrderSeed, UnlockedSeed
from veilmart.customer.purchase.payment_rules import (
    LOST,
    check_blind_signature,
    fetch_keys,
    spendable_keys,
)
from veilmart.customer.schema.token_tables import exchanges
from veilmart.customer.wallet.tokens import (
    KnownKey,
    StoredToken,
    add_refund,
    finished,
    show_token,
)
from veilmart.errors import (
    MalformedMessage,
    RefundKeyUnfit,
    TokenEndsEarly,
    TokenKeyEnded,
    TokenSpent,
)
from veilmart.limits import BODY_MAX_BYTES
from veilmart.protocol.descriptor import SignedDescriptor
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.order_key import operation_id, sign_action
from veilmart.protocol.ports import Clock, Random
from veilmart.protocol.token import blind_token
from veilmart.protocol.token_list import issuing_key, listed_keys
from veilmart.protocol.token_messages import Spend, Spent
from veilmart.protocol.wallet_derivations import refund_secrets

ORDER_BYTES = 32


def exchange(token: StoredToken, clock: Clock, random: Random) -> Rule[int]:
    """Until when the fresh token is good (Unix seconds). In an anonymous session.

    What is sent is stored before; a wallet that was cut off sends the same again. Raises
    WalletLocked, TokenKeyEnded, RefundKeyUnfit where the broker issues no tokens of that price any
    more, TokenSpent, TokenInvalid, TokenKeyUnknown when the token is worth nothing, and
    TokenEndsEarly when only the broker's clock says that it is.
    """
    broker = yield from BrokerDescriptor()
    keys = yield from fetch_keys(broker)
    stored = yield from transact(_stored, token.id)
    if stored is None:
        stored = yield from _begin(token, broker, keys, clock, random)
    spend = decode(Spend, stored, BODY_MAX_BYTES)
    try:
        try:
            answer = yield from AskBroker(spend, Spent)
        except RefundKeyUnfit:
            # It was prepared long ago. Had it been taken, there would have been the stored answer.
            spend = yield from _renewed(token, spend, broker, keys, clock)
            answer = yield from AskBroker(spend, Spent)
    except (*LOST, TokenSpent) as refused:
        known = keys.get(token.key)
        lasts = known is not None and clock() < known.listed.spend_until
        if isinstance(refused, TokenKeyEnded) and lasts:
            raise TokenEndsEarly from refused
        yield from transact(_forget, token.id)
        raise
    if answer.receipt or not answer.refund:
        raise MalformedMessage("The broker answered an exchange with something else.")
    key = keys[spend.refund_key]
    check_blind_signature(key, spend.refund_blinded, answer.refund)
    yield from transact(_finish, token, spend, answer.refund, clock())
    return key.listed.spend_until


def _begin(
    token: StoredToken,
    broker: SignedDescriptor,
    keys: dict[bytes, KnownKey],
    clock: Clock,
    random: Random,
) -> Rule[bytes]:
    """Prepare the request and store it; from then on the token is shown."""
    seed = yield from UnlockedSeed()
    known = keys.get(token.key)
    if known is None:
        raise TokenKeyEnded
    price = known.listed.price
    if token.key not in spendable_keys(broker.descriptor, keys, price, clock()):
        raise TokenKeyEnded
    fresh = _issuing(broker, keys, price, clock)
    order_seed, order = (yield from DrawOrderSeed()), random(ORDER_BYTES)
    public_half = signing.public_key(order_seed)
    spend = Spend(
        operation=operation_id(order, "spend"),
        order=order,
        amount=price,
        token=finished(seed, token, known),
        refund_key=fresh.listed.key,
        refund_blinded=_blinded(seed, fresh, public_half),
        order_key=public_half,
        signature=sign_action(order_seed, order, "spend"),
    )
    stored = encode(spend)
    yield from transact(_show, token, order, stored)
    return stored


def _renewed(
    token: StoredToken,
    spend: Spend,
    broker: SignedDescriptor,
    keys: dict[bytes, KnownKey],
    clock: Clock,
) -> Rule[Spend]:
    """The same, with a refund under the key that issues now."""
    seed = yield from UnlockedSeed()
    fresh = _issuing(broker, keys, spend.amount, clock)
    renewed = replace(
        spend,
        refund_key=fresh.listed.key,
        refund_blinded=_blinded(seed, fresh, spend.order_key),
    )
    yield from transact(_store, token.id, encode(renewed))
    return renewed


def _issuing(
    broker: SignedDescriptor, keys: dict[bytes, KnownKey], price: int, clock: Clock
) -> KnownKey:
    listed = issuing_key(listed_keys(broker.descriptor), price, clock())
    if listed is None:
        raise RefundKeyUnfit("The broker issues no tokens of that price any more.")
    return keys[listed.key]


def _blinded(seed: bytes, key: KnownKey, order_key: bytes) -> bytes:
    return blind_token(key.public, refund_secrets(seed, key.public, order_key))


# ---- transactions --------------------------------------------------------------------------------

_e = exchanges.c


def _stored(connection: Connection, token: int) -> bytes | None:
    return connection.execute(select(_e.spend).where(_e.token == token)).scalar_one_or_none()


def _show(connection: Connection, token: StoredToken, order: bytes, spend: bytes) -> None:
    """Raises NoTokens when another program was faster."""
    show_token(connection, token.id, order)
    connection.execute(insert(exchanges).values(token=token.id, spend=spend))


def _store(connection: Connection, token: int, spend: bytes) -> None:
    connection.execute(exchanges.update().where(_e.token == token).values(spend=spend))


def _finish(
    connection: Connection, token: StoredToken, spend: Spend, signature: bytes, now: int
) -> None:
    key, order_key = spend.refund_key, spend.order_key
    add_refund(connection, token.broker, key, order_key, signature, now)
    _forget(connection, token.id)


def _forget(connection: Connection, token: int) -> None:
    connection.execute(delete(exchanges).where(_e.token == token))
