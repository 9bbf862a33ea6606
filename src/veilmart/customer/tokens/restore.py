"""A wallet from its words: tokens and the list of orders (docs/protocol/11-tokens.md, 11.8).

The account tells which withdrawals there were and answers them again; what was spent and which
orders exist is looked up in public lists that are fetched whole, so nobody learns which are ours.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from veilmart.crypto.signing import public_key
from veilmart.customer.effects import AskBroker, GetPublic
from veilmart.customer.purchase.payment_rules import fetch_keys
from veilmart.customer.schema.token_tables import lost_orders
from veilmart.customer.tokens.withdrawal_rules import ask, plan, secrets_from
from veilmart.customer.wallet.lost_orders import LostOrder
from veilmart.customer.wallet.orders import all_orders, order_key
from veilmart.customer.wallet.seed_state import (
    CURRENT,
    SeededWallet,
    note_restored,
    orders_go_on_at,
    seeded,
    set_state,
)
from veilmart.customer.wallet.tokens import (
    SPENT,
    UNSPENT,
    KnownKey,
    add_withdrawal,
    move_token,
    secrets_of,
    tokens_of,
)
from veilmart.errors import MalformedMessage, NoSeed, NotLoggedIn
from veilmart.limits import (
    ORDER_KEYS_SKIPPED,
    ORDER_KEYS_UNPAID_MAX,
    PREFIXES_PER_PAGE,
    TOKENS_PER_REQUEST_MAX,
)
from veilmart.protocol.effects import Rule, transact
from veilmart.protocol.ports import Clock
from veilmart.protocol.published_prefixes import (
    PREFIX_BYTES,
    order_key_prefix,
    spent_prefix,
)
from veilmart.protocol.token_list import listed_keys
from veilmart.protocol.token_messages import Claim, Claimed, IssueEntry, Issues, ListIssues
from veilmart.protocol.wallet_derivations import issue_request_id, order_seed

if TYPE_CHECKING:
    from veilmart.customer.connection.shopper import Shopper

PAGE_BYTES = PREFIXES_PER_PAGE * PREFIX_BYTES
PAGES_MAX = 4096


@dataclass(frozen=True)
class Restored:
    """withdrawn: tokens asked for again. foreign: withdrawals of the account that are not ours."""

    withdrawn: int
    unspent: int
    foreign: int
    orders: int


async def restore_tokens(shopper: "Shopper") -> Restored:
    """Fill a wallet that has its seed again; done twice it changes nothing more.

    Raises NoSeed, NotLoggedIn, TokenInvalid, errors of network and storage; then it goes on where
    it was when it is called again.
    """
    wallet, login = shopper.wallet, shopper.session.login
    if wallet.seed is None:
        raise NoSeed
    if login is None:
        raise NotLoggedIn
    listed = listed_keys(shopper.broker.descriptor)
    broker, now = shopper.broker.fingerprint, wallet.clock()
    keys = [key for key in listed if now < key.spend_until]
    withdrawn = foreign = 0
    state: SeededWallet | None = await wallet.database.run(seeded)
    if state is None:
        raise NoSeed
    public = await shopper.perform(fetch_keys(shopper.broker))
    await shopper.perform(claim(state.wallet))
    for key in keys:
        known = public[key.key]
        place = (wallet.seed, state.wallet, login.username, known, wallet.clock)
        ours, others = await shopper.perform(ask_again(*place))
        withdrawn, foreign = withdrawn + ours, foreign + others
        await shopper.perform(take_out_spent(wallet.seed, known))
    orders = await shopper.perform(find_orders(wallet.seed, broker))
    await wallet.database.run(note_restored, broker)
    await wallet.database.run(set_state, CURRENT)
    unspent = len(await wallet.database.run(tokens_of, broker, UNSPENT))
    return Restored(withdrawn, unspent, foreign, orders)


def claim(wallet: bytes) -> Rule[None]:
    """From now on only this wallet withdraws from the account."""
    yield from AskBroker(Claim(wallet=wallet), Claimed)


def ask_again(
    seed: bytes, wallet: bytes, account: str, key: KnownKey, clock: Clock
) -> Rule[tuple[int, int]]:
    """(tokens that came, withdrawals that are not of this seed)."""
    came = foreign = start = 0
    while True:
        page = yield from AskBroker(ListIssues(key=key.listed.key, start=start), Issues)
        for entry in page.entries:
            if entry.first < start or not 1 <= entry.count <= TOKENS_PER_REQUEST_MAX:
                raise MalformedMessage("The list of withdrawals is not in order.")
            start = entry.first + entry.count
            if not _is_ours(seed, account, key, entry):
                foreign += 1
                continue
            secrets = secrets_from(seed, account, key, entry.first, entry.count)
            withdrawal = plan(seed, account, key, entry.first, secrets, clock())
            yield from transact(add_withdrawal, withdrawal)
            yield from ask(secrets, wallet, withdrawal, key, clock)
            came += entry.count
        if not page.more or not page.entries:
            return came, foreign


def _is_ours(seed: bytes, account: str, key: KnownKey, entry: IssueEntry) -> bool:
    named = issue_request_id(seed, account, key.listed.key, entry.first, entry.count)
    return named == entry.request


def take_out_spent(seed: bytes, key: KnownKey) -> Rule[None]:
    """Mark what the published list has."""
    spent = yield from _prefixes(f"/v1/spent/{key.listed.key.hex()}")
    tokens = yield from transact(tokens_of, key.broker, UNSPENT)
    for token in tokens:
        if token.key != key.listed.key:
            continue
        nonce = secrets_of(seed, token, key).nonce
        if spent_prefix(token.key, nonce) in spent:
            yield from transact(move_token, token.id, UNSPENT, SPENT)


def find_orders(seed: bytes, broker: bytes) -> Rule[int]:
    """How many orders the published list has of ours that are not in the wallet."""
    listed = yield from _prefixes("/v1/order-keys")
    found: list[LostOrder] = []
    number = last = 0
    while number < last + ORDER_KEYS_UNPAID_MAX:
        key = public_key(order_seed(seed, number))
        number += 1
        if order_key_prefix(key) in listed:
            found.append(LostOrder(broker, number - 1, key))
            last = number
    place = (broker, tuple(found), last + ORDER_KEYS_SKIPPED)
    count = yield from transact(_keep_orders, *place)
    return count


def _prefixes(path: str) -> Rule[frozenset[bytes]]:
    """A published list, whole."""
    found: set[bytes] = set()
    for number in range(PAGES_MAX):
        page = yield from GetPublic(f"{path}/{number}", PAGE_BYTES)
        if len(page) % PREFIX_BYTES:
            raise MalformedMessage("A published list has an impossible length.")
        found.update(page[at : at + PREFIX_BYTES] for at in range(0, len(page), PREFIX_BYTES))
        if len(page) < PAGE_BYTES:
            return frozenset(found)
    raise MalformedMessage("A published list does not end.")


def _keep_orders(
    connection: Connection, broker: bytes, found: tuple[LostOrder, ...], go_on_at: int
) -> int:
    known = {order_key(order) for order in all_orders(connection)}
    lost = [vars(order) for order in found if order.order_key not in known]
    if lost:
        connection.execute(insert(lost_orders).on_conflict_do_nothing(), lost)
    orders_go_on_at(connection, go_on_at)
    return len(lost)
