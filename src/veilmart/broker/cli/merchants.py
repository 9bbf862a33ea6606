"""`veilmart broker merchant ...|withdrawals|payout`."""

from functools import partial
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.broker import settings
from veilmart.broker.cli.books import Reference, book_cash, open_books, with_amounts
from veilmart.broker.operator import admission, bookkeeping, merchant_requests
from veilmart.crypto.identity import parse_fingerprint
from veilmart.errors import Declined
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import MONEY, ServerCommon as Common, command, command_about
from veilmart.terminal.tables import show_table

DIALS = "(it dials)"
merchant_app = App(name="merchant", help="The merchants that this broker carries.")


@merchant_app.command
@command
async def admit(
    url: Annotated[
        str, Parameter(help="http://HOST:PORT of the merchant, or the name it asked to join under.")
    ],
    *,
    yes: Annotated[bool, Parameter(help="Accept the fingerprint without asking.")] = False,
    fingerprint: Annotated[str | None, Parameter(help="The fingerprint you expect.")] = None,
    common: Common = Common(),
) -> None:
    """Carry a merchant: fetch its descriptor, compare its fingerprint, store it."""
    terminal = common.terminal()
    wanted = None if fingerprint is None else parse_fingerprint(fingerprint)
    dials = False
    with open_books(common) as opened:
        if "://" not in url:
            asked = opened.database.run_now(merchant_requests.find_join, url)
            url, wanted = f"http://{asked.address}", wanted or parse_fingerprint(asked.fingerprint)
            dials = not asked.address
        if dials and wanted is not None:
            candidate = admission.joined_candidate(opened, wanted, unix_now())
        else:
            candidate = await admission.fetch_candidate(opened, url, unix_now())
        name = visible(candidate.descriptor.descriptor.name)
        terminal.say(f"The merchant {name!r} at {candidate.address or DIALS} has the fingerprint")
        terminal.say(f"  {candidate.fingerprint}")
        if wanted is not None:
            admission.expect_fingerprint(candidate, wanted)
        if (
            fingerprint is None
            and not yes
            and not terminal.confirm("Is that the fingerprint that its operator gave you? (y/n) ")
        ):
            raise Declined("The merchant was not admitted.")
        opened.database.run_now(admission.admit, candidate)
    terminal.result(
        {"name": name, "fingerprint": candidate.fingerprint, "address": candidate.address},
        lambda console: console.print(f"Merchant {name} is admitted."),
    )


@merchant_app.command(name="list")
@command
def list_merchants(*, common: Common = Common()) -> None:
    """List merchants with state and balance."""
    with open_books(common) as opened:
        lines = opened.database.read_now(admission.merchant_lines)
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (
            visible(m.name),
            m.state,
            m.address or DIALS,
            format_amount(m.balance, decimals),
            m.fingerprint,
        )
        for m in lines
    ]
    value = [with_amounts(line, decimals, "balance") for line in lines]
    show_table(
        common.terminal(), value, ("Name", "State", "Address", "Balance", "Fingerprint"), rows
    )


@merchant_app.command
@command
def suspend(
    merchant: Annotated[str, Parameter(help="Name, or the beginning of the fingerprint.")],
    *,
    common: Common = Common(),
) -> None:
    """Take no new orders for a merchant; paid ones continue. `admit` reverses it."""
    with open_books(common) as opened:
        line = opened.database.run_now(admission.suspend_merchant, merchant)
        decimals = opened.database.run_now(settings.load).decimals
    text = f"Merchant {visible(line.name)} is suspended."
    value = with_amounts(line, decimals, "balance")
    common.terminal().result(value, lambda console: console.print(text))


@command_about(MONEY)
def payout(
    merchant: str,
    amount: str,
    *,
    reference: Reference = None,
    before_restore: Annotated[
        bool, Parameter(help="It was paid after the backup that the broker was restored from.")
    ] = False,
    common: Common = Common(),
) -> None:
    """Book a payout that a merchant received in cash."""
    book_cash(
        merchant,
        amount,
        partial(
            bookkeeping.payout,
            name=merchant,
            now=unix_now(),
            reference=reference,
            before_restore=before_restore,
        ),
        common,
    )


@command
def withdrawals(
    *,
    decline: Annotated[
        str | None, Parameter(help="Decline the withdrawal whose id begins with this.")
    ] = None,
    common: Common = Common(),
) -> None:
    """List payouts that merchants ask for; `payout` of the same amount answers one."""
    with open_books(common) as opened:
        run_now = opened.database.run_now
        if decline is not None:
            run_now(merchant_requests.decline_withdrawal, decline, unix_now())
        lines = opened.database.read_now(merchant_requests.withdrawal_lines)
        decimals = run_now(settings.load).decimals
    rows = [
        (
            line.id[:8],
            visible(line.merchant),
            format_amount(line.amount, decimals),
            "unknown since backup" if line.unconfirmed else line.state,
            visible(line.note),
        )
        for line in lines
    ]
    value = [with_amounts(line, decimals, "amount") for line in lines]
    show_table(common.terminal(), value, ("Id", "Merchant", "Amount", "State", "Note"), rows)


@merchant_app.command(name="requests")
@command
def list_requests(*, common: Common = Common()) -> None:
    """List merchants that ask to be carried; `admit NAME` admits one."""
    with open_books(common) as opened:
        lines = opened.database.read_now(merchant_requests.join_lines)
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
        line, lambda console: console.print(f"Declined: {visible(line.name)}.")
    )
