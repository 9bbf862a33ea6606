"""`veilmart customer tokens [withdraw|deposit]`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.customer.cli.connect import visited
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.passphrase import PassphraseFile, unlocked
from veilmart.customer.cli.prompts import Person
from veilmart.customer.library.holdings import holdings
from veilmart.customer.tokens.stock import Withdrawn, deposit_tokens, refill, withdraw_tokens
from veilmart.customer.tokens.stocks import Stock, drop_stock, keep_stock, own_day
from veilmart.customer.trust.pins import broker_named, current_broker
from veilmart.customer.wallet.seed_state import usable
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import NotInitialised, VeilmartError
from veilmart.limits import TOKEN_PACK
from veilmart.protocol import moments
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.protocol.descriptor import read_descriptor
from veilmart.terminal.command import Common, Subject, command, command_about
from veilmart.terminal.console import Console
from veilmart.terminal.numbers import whole

COUNT_MAX = 1000
_TOKENS = Subject(
    money=True,
    interrupted="`veilmart customer tokens` shows what came; the next `tokens withdraw` first asks "
    "for what did not, and then for as many as you say.",
)


@dataclass(frozen=True)
class TokenLine:
    """Unspent tokens of one price that end together. rested: how many are not fresh any more.

    until: Unix seconds. kept: pack that `sync` keeps in stock, 0 for none. value: of all of them.
    ends_soon: within 30 days. expired: worth nothing any more.
    """

    price: str
    count: int
    value: str
    rested: int
    until: int
    kept: int
    ends_soon: bool
    expired: bool


@command
def show(*, common: Common = Common()) -> None:
    """Show unspent tokens by price, how long they are valid, and what has expired."""
    with opened_wallet(common) as wallet:
        pin = wallet.database.run_now(current_broker)
        if pin is None:
            raise NotInitialised
        decimals = read_descriptor(pin.descriptor).descriptor.decimals
        held = wallet.database.run_now(holdings, pin.fingerprint, wallet.clock())
    lines = [
        TokenLine(
            price=format_amount(line.price, decimals),
            count=line.count,
            value=format_amount(line.price * line.count, decimals),
            rested=line.rested,
            until=line.until,
            kept=line.kept,
            ends_soon=line.ends_soon,
            expired=line.expired,
        )
        for line in held
    ]
    common.terminal().result({"tokens": lines}, lambda console: _draw(console, lines))


def _draw(console: Console, lines: list[TokenLine]) -> None:
    for line in lines:
        until = moments.moment(line.until)
        said = f"{line.count:>4} of {line.price:>8}"
        if line.expired:
            console.print(f"{said}  expired {until:%Y-%m-%d}: {line.value} in all")
            continue
        fresh = line.count - line.rested
        note = f"  {fresh} of them too fresh to spend unnoticed" if fresh else ""
        kept = f"  kept in packs of {line.kept}" if line.kept else ""
        console.print(f"{said}  good until {until:%Y-%m-%d}{note}{kept}")
    if not lines:
        console.print("No tokens.")


@command_about(_TOKENS)
async def withdraw(
    price: Annotated[str, Parameter(help="What one token pays for, such as 5.00.")],
    *,
    count: Annotated[
        int,
        Parameter(converter=whole(1, COUNT_MAX), help="How many; packs of one size reveal least."),
    ] = TOKEN_PACK,
    keep: Annotated[
        bool | None,
        Parameter(
            help="Let `sync` refill this stock by as many, at the wallet's own time of day.",
            negative="--no-keep",
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    proxy: ProxyOption = None,
    common: Common = Common(),
) -> None:
    """Turn balance into tokens.

    The broker sees who withdraws and how many, but not where they are spent.
    """
    person = Person(common.terminal())
    with opened_wallet(common, proxy) as locked, locked.purchasing():
        wallet = unlocked(locked, person, passphrase_file)
        async with visited(wallet, person) as shopper:
            broker = shopper.broker
            decimals = broker.descriptor.decimals
            amount = parse_amount(price, decimals)
            withdrawn = await withdraw_tokens(shopper, amount, count)
            if keep is not None:
                state = await wallet.database.run(usable)
                today, _ = own_day(wallet.clock(), state.refill_second)
                if keep:
                    row = (broker.fingerprint, amount, count, today)
                    await wallet.database.run(keep_stock, *row)
                else:
                    await wallet.database.run(drop_stock, broker.fingerprint, amount)
    _tell(person, withdrawn, decimals, "withdrawn")
    person.terminal.say("Let them rest for a day: spent at once, they reveal whose they are.")


@command_about(_TOKENS)
async def deposit(
    price: Annotated[str | None, Parameter(help="Only tokens of this price.")] = None,
    *,
    count: Annotated[
        int | None, Parameter(converter=whole(1), help="How many; default: all.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    proxy: ProxyOption = None,
    common: Common = Common(),
) -> None:
    """Return unspent tokens to the balance."""
    person = Person(common.terminal())
    with opened_wallet(common, proxy) as locked, locked.purchasing():
        wallet = unlocked(locked, person, passphrase_file)
        async with visited(wallet, person) as shopper:
            decimals = shopper.broker.descriptor.decimals
            amount = None if price is None else parse_amount(price, decimals)
            returned = await deposit_tokens(shopper, amount, count)
    _tell(person, returned, decimals, "put back")


async def refill_stocks(
    locked: Wallet, person: Person, passphrase_file: Path | None, stocks: tuple[Stock, ...]
) -> int:
    """Refill these stocks of one account, for `sync`; return the exit code.

    A failed one is tried again: tomorrow, or today where the broker could not be reached.
    """
    exit_code = 0
    for stock in stocks:
        pin = locked.database.run_now(broker_named, stock.broker)
        if pin is None:
            continue
        try:
            wallet = locked if locked.seed else unlocked(locked, person, passphrase_file)
            async with visited(wallet, person, pin.url, mention=False) as shopper:
                withdrawn = await refill(shopper, stock)
        except VeilmartError as error:
            person.terminal.errors.print(error.explain())
            exit_code = error.exit_code
            continue
        if withdrawn is not None:
            person.terminal.say(f"Stock refilled: {withdrawn.count} tokens.")
    return exit_code


def _tell(person: Person, done: Withdrawn, decimals: int, what: str) -> None:
    balance = format_amount(done.balance, decimals)
    noun = "1 token" if done.count == 1 else f"{done.count} tokens"
    person.terminal.result(
        {"count": done.count, "balance": balance},
        lambda console: console.print(f"{noun} {what}. Balance: {balance}"),
    )


tokens_app = App(name="tokens", help="Tokens pay without an account: one token, one purchase.")
tokens_app.default(show)
tokens_app.command(withdraw)
tokens_app.command(deposit)
