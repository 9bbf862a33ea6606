"""The operator's commands: merchants, money, price points."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

from veilmart.broker import settings
from veilmart.broker.home import BrokerHome, open_home
from veilmart.broker.keys import token_keys
from veilmart.broker.operator import actions, merchant_requests
from veilmart.crypto.identity import parse_fingerprint
from veilmart.errors import Declined
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.storage.files.home import default_home
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Terminal

merchant_app = App(name="merchant", help="The merchants that this broker carries.")
points_app = App(name="price-points", help="The amounts that products may cost.")


def register_operator(app: App) -> None:
    """Mount these commands on the broker's app."""
    app.command(merchant_app)
    app.command(points_app)
    for function in (credit, payout, accounts):
        app.command(function)


def open_books(common: Common) -> BrokerHome:
    """The broker's home of this command."""
    home: Path = common.home or default_home("broker")
    return open_home(home, common.database)


@merchant_app.command
@command
async def admit(
    url: Annotated[
        str, Parameter(help="http://HOST:PORT of the merchant, or the name it asked to join under.")
    ],
    *,
    yes: Annotated[bool, Parameter(help="Accept the fingerprint unseen.")] = False,
    fingerprint: Annotated[str | None, Parameter(help="The fingerprint you expect.")] = None,
    common: Common = Common(),
) -> None:
    """Carry a merchant: fetch its descriptor, compare its fingerprint, store it."""
    terminal = common.terminal()
    wanted = None if fingerprint is None else parse_fingerprint(fingerprint)
    with open_books(common) as opened:
        if "://" not in url:
            asked = opened.database.run_now(merchant_requests.find_join, url)
            url, wanted = f"http://{asked.address}", wanted or parse_fingerprint(asked.fingerprint)
        candidate = await actions.fetch_candidate(opened, url, unix_now())
        name = visible(candidate.descriptor.descriptor.name)
        terminal.say(f"The merchant {name!r} at {candidate.address} has the fingerprint")
        terminal.say(f"  {candidate.fingerprint}")
        if wanted is not None:
            actions.expect_fingerprint(candidate, wanted)
        if (
            fingerprint is None
            and not yes
            and not terminal.confirm("Is that what its operator told you? (y/n) ")
        ):
            raise Declined("The merchant was not admitted.")
        opened.database.run_now(actions.admit, candidate)
    terminal.result(
        {"name": name, "fingerprint": candidate.fingerprint, "address": candidate.address},
        lambda console: console.print(f"Merchant {name} is admitted.", markup=False),
    )


@merchant_app.command(name="list")
@command
def list_merchants(*, common: Common = Common()) -> None:
    """Every merchant with its state and balance."""
    with open_books(common) as opened:
        lines = opened.database.run_now(actions.merchant_lines)
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (visible(m.name), m.state, m.address, format_amount(m.balance, decimals), m.fingerprint)
        for m in lines
    ]
    show_table(
        common.terminal(), lines, ("Name", "State", "Address", "Balance", "Fingerprint"), rows
    )


@merchant_app.command
@command
def suspend(
    merchant: Annotated[str, Parameter(help="Name, or the beginning of the fingerprint.")],
    *,
    common: Common = Common(),
) -> None:
    """Take no new orders for a merchant; paid ones go on. `admit` takes it back."""
    with open_books(common) as opened:
        line = opened.database.run_now(actions.suspend_merchant, merchant)
    text = f"Merchant {visible(line.name)} is suspended."
    common.terminal().result(line, lambda console: console.print(text, markup=False))


@points_app.default
@command
def show_points(*, common: Common = Common()) -> None:
    """Show the price points."""
    _points(None, common)


@points_app.command(name="set")
@command
def set_points(
    amounts: Annotated[list[str], Parameter(help="All price points, like 1.00 5.00.")],
    *,
    common: Common = Common(),
) -> None:
    """Replace the price points."""
    _points(amounts, common)


def _points(amounts: list[str] | None, common: Common) -> None:
    with open_books(common) as opened:
        run_now = opened.database.run_now
        decimals = run_now(settings.load).decimals
        if amounts is not None:
            fresh = tuple(parse_amount(text, decimals) for text in amounts)
            run_now(token_keys.set_price_points, fresh, unix_now())
            token_keys.make_missing(run_now, run_now(token_keys.missing, unix_now()))
        current = run_now(settings.load)
    shown = [format_amount(amount, decimals) for amount in current.price_points]
    common.terminal().result(
        {"price_points": list(current.price_points), "currency": current.currency},
        lambda console: console.print(" ".join(shown), current.currency, markup=False),
    )


@command
def credit(
    user: Annotated[str, Parameter(help="Username; with --merchant the merchant's name.")],
    amount: str,
    *,
    merchant: Annotated[bool, Parameter(help="Credit a merchant instead.")] = False,
    common: Common = Common(),
) -> None:
    """Somebody paid cash in: put it on their account."""
    _book(actions.credit, user, amount, (merchant,), common)


@command
def payout(merchant: str, amount: str, *, common: Common = Common()) -> None:
    """A merchant was paid out in cash: take it off its account."""
    _book(actions.payout, merchant, amount, (), common)


def _book(
    use_case: Callable[..., actions.Booked],
    name: str,
    amount: str,
    more: tuple[Any, ...],
    common: Common,
) -> None:
    with open_books(common) as opened:
        decimals = opened.database.run_now(settings.load).decimals
        minor = parse_amount(amount, decimals)
        booked = opened.database.run_now(use_case, name, minor, *more, unix_now())
    text = f"{visible(name)} has {booked.text} now."
    common.terminal().result(booked, lambda console: console.print(text, markup=False))


@command
def accounts(*, common: Common = Common()) -> None:
    """Every account with its balance."""
    with open_books(common) as opened:
        lines = opened.database.run_now(actions.account_lines)
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (str(line.account), line.kind, visible(line.name), format_amount(line.balance, decimals))
        for line in lines
    ]
    show_table(common.terminal(), lines, ("Account", "Kind", "Name", "Balance"), rows)


def show_table(
    terminal: Terminal, value: Any, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]
) -> None:
    """A list as a table for people, as it is for programs."""

    def draw(console: Console) -> None:
        table = Table(*heads, box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(Text(visible(cell)) for cell in row))
        console.print(table)

    terminal.result(value, draw)
