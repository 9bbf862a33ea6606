"""Use cases on tokens of an account: withdrawing, depositing, refilling a stock."""

from dataclasses import dataclass

from veilmart.customer.connection.shopper import Shopper
from veilmart.customer.purchase.payment_rules import fetch_keys
from veilmart.customer.tokens.stocks import Stock, note_day, own_day
from veilmart.customer.tokens.withdrawal_rules import ask, deposit, secrets_from, withdraw
from veilmart.customer.wallet.seed_state import usable
from veilmart.customer.wallet.tokens import (
    RETURNING,
    UNSPENT,
    KnownKey,
    StoredToken,
    known_keys,
    open_withdrawals,
    tokens_of,
)
from veilmart.errors import NoSeed, NotAPricePoint, NotLoggedIn, NoTokens, TokenKeyUnknown
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.descriptor import Descriptor
from veilmart.protocol.token_list import issuing_key, listed_keys


@dataclass(frozen=True)
class Withdrawn:
    """count: tokens that came. balance: minor units afterwards."""

    price: int
    count: int
    balance: int


def check_price(broker: Descriptor, price: int) -> None:
    """Raises NotAPricePoint, which lists those there are."""
    if price not in broker.price_points:
        shown = ", ".join(format_amount(point, broker.decimals) for point in broker.price_points)
        raise NotAPricePoint(f"There are {shown}." if shown else "It has none.")


async def withdraw_tokens(shopper: Shopper, price: int, count: int) -> Withdrawn:
    """Lost answers first, then `count` new tokens.

    Raises NoSeed, NotLoggedIn, NotAPricePoint, WalletReplaced, WalletOutdated, InsufficientBalance,
    TokenInvalid.
    """
    seed, account = _who(shopper)
    broker, now = shopper.broker, shopper.wallet.clock()
    check_price(broker.descriptor, price)
    listed = issuing_key(listed_keys(broker.descriptor), price, now)
    if listed is None:
        raise TokenKeyUnknown("The broker lists no key that issues tokens of that price now.")
    await ask_for_lost(shopper)
    key = (await shopper.perform(fetch_keys(broker)))[listed.key]
    rule = withdraw(seed, account, key, count, shopper.wallet.clock)
    came, balance = await shopper.perform(rule)
    shopper.session.balance = balance
    return Withdrawn(price, came, balance)


async def ask_for_lost(shopper: Shopper) -> int:
    """Ask again for withdrawals whose answer did not come; how many tokens came."""
    seed, account = _who(shopper)
    wallet, broker = shopper.wallet, shopper.broker.fingerprint
    state = await wallet.database.run(usable)
    keys = await wallet.database.run(known_keys, broker)
    came = 0
    for withdrawal in await wallet.database.run(open_withdrawals, broker, account):
        key = keys[withdrawal.key]
        secrets = secrets_from(seed, account, key, withdrawal.first, withdrawal.count)
        await shopper.perform(ask(secrets, state.wallet, withdrawal, key, wallet.clock))
        came += withdrawal.count
    return came


async def deposit_tokens(shopper: Shopper, price: int | None, count: int | None) -> Withdrawn:
    """Put unspent tokens back on the balance they came from, those that end first.

    Only tokens that this account has withdrawn: a refund token on its balance would say which
    account had made an order, by the totals of its key. Raises NoTokens.
    """
    seed, account = _who(shopper)
    wallet, broker = shopper.wallet, shopper.broker.fingerprint
    keys = await wallet.database.run(known_keys, broker)
    now = wallet.clock()
    found = [
        token
        for token in await wallet.database.run(tokens_of, broker, RETURNING, UNSPENT)
        if token.account == account and _fits(token, price, now, keys)
    ]
    if not found:
        raise NoTokens
    value = balance = 0
    wanted = found if count is None else found[:count]
    for token in wanted:
        answer = await shopper.perform(deposit(seed, token, keys[token.key]))
        value, balance = value + answer.value, answer.balance
    shopper.session.balance = balance
    return Withdrawn(value, len(wanted), balance)


def _fits(token: StoredToken, price: int | None, now: int, keys: dict[bytes, KnownKey]) -> bool:
    listed = keys[token.key].listed
    return now < listed.spend_until and price in (None, listed.price)


def _who(shopper: Shopper) -> tuple[bytes, str]:
    """(seed, username). Raises NoSeed, NotLoggedIn."""
    if shopper.wallet.seed is None:
        raise NoSeed
    if shopper.session.login is None:
        raise NotLoggedIn
    return shopper.wallet.seed, shopper.session.login.username


async def refill(shopper: Shopper, stock: Stock) -> Withdrawn | None:
    """A whole pack if less than one is left; the day is noted before anything is asked for."""
    wallet = shopper.wallet
    state = await wallet.database.run(usable)
    day, _ = own_day(wallet.clock(), state.refill_second)
    await wallet.database.run(note_day, stock, day)
    keys = await wallet.database.run(known_keys, stock.broker)
    tokens = await wallet.database.run(tokens_of, stock.broker, UNSPENT)
    if sum(_fits(token, stock.price, wallet.clock(), keys) for token in tokens) >= stock.pack:
        return None
    return await withdraw_tokens(shopper, stock.price, stock.pack)
