"""What every command of the operator needs: the opened home, and booking cash."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from veilmart.broker import settings
from veilmart.broker.home import BrokerHome, open_home
from veilmart.broker.operator.bookkeeping import Booked
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.storage.files.home import default_home
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.command import ServerCommon as Common

Reference = Annotated[
    str | None,
    Parameter(
        help="A unique number of this payment, such as the bank's. Repeating it does nothing."
    ),
]


def with_amounts(line: msgspec.Struct, decimals: int, *names: str) -> dict[str, object]:
    """A line for --json; the fields that are amounts in minor units as text."""
    fields = msgspec.structs.asdict(line)
    return fields | {name: format_amount(fields[name], decimals) for name in names}


def open_books(common: Common) -> BrokerHome:
    """The broker's home of this command."""
    home: Path = common.home or default_home("broker")
    return open_home(home, common.database)


def book_cash(name: str, amount: str, book: Callable[..., Booked], common: Common) -> None:
    """Run the transaction `book(connection, amount=minor units)` and say what `name` has now."""
    with open_books(common) as opened:
        decimals = opened.database.run_now(settings.load).decimals
        minor = parse_amount(amount, decimals)
        booked = opened.database.run_now(book, amount=minor)
    text = f"{visible(name)} has {booked.text} now."
    value = with_amounts(booked, decimals, "amount", "balance")
    common.terminal().result(value, lambda console: console.print(text))
