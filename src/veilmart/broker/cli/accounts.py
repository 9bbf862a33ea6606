"""`veilmart broker user|credit|accounts`."""

import base64
import os
from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.broker import settings
from veilmart.broker.accounts import administration
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.cli.books import Reference, book_cash, open_books, with_amounts
from veilmart.broker.operator import bookkeeping
from veilmart.errors import WeakPassword
from veilmart.limits import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import MONEY, ServerCommon as Common, command, command_about
from veilmart.terminal.console import Console
from veilmart.terminal.tables import show_table

NEW_PASSWORD_BYTES = 10

user_app = App(name="user", help="Customers' accounts.")


@user_app.command(name="list")
@command
def list_users(*, common: Common = Common()) -> None:
    """List customers with balance and state."""
    with open_books(common) as opened:
        lines = opened.database.read_now(administration.user_lines)
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (
            str(line.account),
            visible(line.username),
            format_amount(line.balance, decimals),
            "disabled" if line.disabled else "active",
            str(line.devices),
        )
        for line in lines
    ]
    value = [with_amounts(line, decimals, "balance") for line in lines]
    show_table(common.terminal(), value, ("Account", "Name", "Balance", "State", "Devices"), rows)


@user_app.command
@command
def disable(username: str, *, common: Common = Common()) -> None:
    """Disable an account at once. Orders that it paid are still delivered or refunded."""
    _disable(username, True, common)


@user_app.command
@command
def enable(username: str, *, common: Common = Common()) -> None:
    """Enable a disabled account again."""
    _disable(username, False, common)


def _disable(username: str, flag: bool, common: Common) -> None:
    with open_books(common) as opened:
        opened.database.run_now(administration.disable, username, flag, unix_now())
    word = "disabled" if flag else "enabled"
    common.terminal().result(
        {"username": username, "disabled": flag},
        lambda console: console.print(f"{visible(username)} is {word}."),
    )


@user_app.command
@command
def reset(
    username: str,
    *,
    password_file: Annotated[
        Path | None,
        Parameter(
            help="Read the new password from this file; - is standard input. Default: one is made.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    common: Common = Common(),
) -> None:
    """Give an account a new password and log out its machines."""
    terminal = common.terminal()
    if password_file is None:
        password = base64.b32encode(os.urandom(NEW_PASSWORD_BYTES)).decode().lower()
        shown: str | None = password
    else:
        password, shown = terminal.secret("New password: ", password_file), None
    if not PASSWORD_MIN_BYTES <= len(password.encode()) <= PASSWORD_MAX_BYTES:
        raise WeakPassword
    hashed = Passwords(os.urandom).hash_now(password)
    with open_books(common) as opened:
        opened.database.run_now(administration.reset, username, hashed, unix_now())

    def draw(console: Console) -> None:
        console.print(f"{visible(username)} has a new password.")
        if shown is not None:
            console.print(f"It is {shown} and should be changed soon.")

    terminal.result({"username": username, "password": shown}, draw)


@command_about(MONEY)
def credit(
    user: Annotated[str, Parameter(help="Username; with --merchant the merchant's name.")],
    amount: str,
    *,
    merchant: Annotated[bool, Parameter(help="Credit a merchant instead.")] = False,
    reference: Reference = None,
    common: Common = Common(),
) -> None:
    """Book cash that a customer paid in to their account.

    Without --reference, the same amount for the same account is refused for ten minutes, as the
    command may have been given twice. With the same --reference it is booked once.
    """
    book = partial(
        bookkeeping.credit,
        name=user,
        merchant=merchant,
        now=unix_now(),
        reference=reference,
        repeats=False,
    )
    book_cash(user, amount, book, common)


@command_about(MONEY)
def reverse_credit(
    user: Annotated[str, Parameter(help="Username; with --merchant the merchant's name.")],
    amount: Annotated[str, Parameter(help="Exactly what was credited.")],
    *,
    merchant: Annotated[bool, Parameter(help="Reverse a merchant's credit.")] = False,
    reference: Reference = None,
    common: Common = Common(),
) -> None:
    """Take back a mistyped credit; both bookings stay in the books."""
    book_cash(
        user,
        amount,
        partial(
            bookkeeping.reverse_credit,
            name=user,
            merchant=merchant,
            now=unix_now(),
            reference=reference,
        ),
        common,
    )


@command
def accounts(*, common: Common = Common()) -> None:
    """List accounts with their balances."""
    with open_books(common) as opened:
        lines = opened.database.read_now(lambda conn: list(bookkeeping.account_lines(conn)))
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (str(line.account), line.kind, visible(line.name), format_amount(line.balance, decimals))
        for line in lines
    ]
    value = [with_amounts(line, decimals, "balance") for line in lines]
    show_table(common.terminal(), value, ("Account", "Kind", "Name", "Balance"), rows)
