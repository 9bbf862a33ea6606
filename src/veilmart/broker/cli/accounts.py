"""`veilmart broker user|fee|withdrawals|merchant requests|merchant decline`."""

import base64
import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from veilmart.broker import settings
from veilmart.broker.accounts import administration
from veilmart.broker.accounts.passwords import Passwords
from veilmart.broker.cli.merchants import merchant_app, open_books, show_table
from veilmart.broker.operator import merchant_requests
from veilmart.crypto.identity import parse_fingerprint
from veilmart.errors import WeakPassword
from veilmart.limits import PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.numbers import Share

NEW_PASSWORD_BYTES = 10

user_app = App(name="user", help="Customers' accounts.")


def register_people(app: App) -> None:
    """Mount these commands on the broker's app."""
    app.command(user_app)
    app.command(fee)
    app.command(withdrawals)


@user_app.command(name="list")
@command
def list_users(*, common: Common = Common()) -> None:
    """Every customer with balance and state."""
    with open_books(common) as opened:
        lines = opened.database.run_now(administration.user_lines)
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
    show_table(common.terminal(), lines, ("Account", "Name", "Balance", "State", "Devices"), rows)


@user_app.command
@command
def disable(username: str, *, common: Common = Common()) -> None:
    """Lock an account out, at once. What it has paid for is still delivered or refunded."""
    _disable(username, True, common)


@user_app.command
@command
def enable(username: str, *, common: Common = Common()) -> None:
    """Let a disabled account in again."""
    _disable(username, False, common)


def _disable(username: str, flag: bool, common: Common) -> None:
    with open_books(common) as opened:
        opened.database.run_now(administration.disable, username, flag, unix_now())
    word = "disabled" if flag else "enabled"
    common.terminal().result(
        {"username": username, "disabled": flag},
        lambda console: console.print(f"{visible(username)} is {word}.", markup=False),
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
        console.print(f"{visible(username)} has a new password.", markup=False)
        if shown is not None:
            console.print(f"It is {shown} and should be changed soon.", markup=False)

    terminal.result({"username": username, "password": shown}, draw)


@command
def fee(
    basis_points: Share = None,
    *,
    common: Common = Common(),
) -> None:
    """The broker's share of a sale, for sales that are invoiced from now on."""
    with open_books(common) as opened:
        if basis_points is not None:
            opened.database.run_now(settings.set_fee, basis_points)
        current = opened.database.run_now(settings.load).fee_basis_points
    common.terminal().result(
        {"basis_points": current},
        lambda console: console.print(f"Fee: {current} basis points ({current / 100:.2f} %)"),
    )


@command
def withdrawals(
    *,
    decline: Annotated[
        str | None, Parameter(help="Say no to the one whose id begins like this.")
    ] = None,
    common: Common = Common(),
) -> None:
    """What merchants ask to be paid out; payout of the same amount answers one."""
    with open_books(common) as opened:
        run_now = opened.database.run_now
        if decline is not None:
            run_now(merchant_requests.decline_withdrawal, decline, unix_now())
        lines = run_now(merchant_requests.withdrawal_lines)
        decimals = run_now(settings.load).decimals
    rows = [
        (
            line.id[:8],
            visible(line.merchant),
            format_amount(line.amount, decimals),
            line.state,
            visible(line.note),
        )
        for line in lines
    ]
    show_table(common.terminal(), lines, ("Id", "Merchant", "Amount", "State", "Note"), rows)


@merchant_app.command(name="requests")
@command
def list_requests(*, common: Common = Common()) -> None:
    """Merchants that ask to be carried; admit NAME does it."""
    with open_books(common) as opened:
        lines = opened.database.run_now(merchant_requests.join_lines)
    rows = [(visible(line.name), visible(line.address), line.fingerprint) for line in lines]
    show_table(common.terminal(), lines, ("Name", "Address", "Fingerprint"), rows)


@merchant_app.command
@command
def decline(
    merchant: Annotated[str, Parameter(help="Name, or the beginning of the fingerprint.")],
    *,
    common: Common = Common(),
) -> None:
    """Forget a merchant's request to join."""
    with open_books(common) as opened:
        line = opened.database.run_now(merchant_requests.find_join, merchant)
        fingerprint = parse_fingerprint(line.fingerprint)
        opened.database.run_now(merchant_requests.forget_join, fingerprint)
    common.terminal().result(
        line, lambda console: console.print(f"Declined: {visible(line.name)}.", markup=False)
    )
