"""`veilmart broker voucher|invitation|registration`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.accounts import invitations, vouchers as codes
from veilmart.broker.accounts.vouchers import BatchLine, Issued
from veilmart.broker.cli.books import open_books, with_amounts
from veilmart.broker.cli.voucher_sheet import Cards, draw_sheet
from veilmart.broker.home import BrokerHome
from veilmart.broker.operator.kept_codes import KeptCodes, Kind, issued_and_kept, kept_batch
from veilmart.errors import BadArgument, OutputLost
from veilmart.protocol.accounting import format_amount, parse_amount
from veilmart.storage.files.names import shown_path
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Console, Terminal
from veilmart.terminal.numbers import CodeCount, whole
from veilmart.terminal.tables import show_table

voucher_app = App(name="voucher", help="Vouchers that customers redeem.")
invitation_app = App(name="invitation", help="Invitations to open an account.")

HOW_TO_USE: dict[Kind, tuple[str, ...]] = {
    "voucher": ("To redeem: veilmart customer redeem,", "or Money in veilmart customer web."),
    "invitation": ("Opens one account: veilmart", "customer register --invitation CODE"),
}
Sheet = Annotated[Path | None, Parameter(help="Also write cards to print: an .html or .svg file.")]
Batch = Annotated[int | None, Parameter(converter=whole(1), help="All unused codes of a batch.")]


@voucher_app.command(name="issue")
@command
def issue_vouchers(
    *,
    value: Annotated[str, Parameter(help="Value of each, like 20.00.")],
    count: CodeCount = 1,
    sheet: Sheet = None,
    common: Common = Common(),
) -> None:
    """Issue vouchers paid for in cash. Once written out, the codes are not shown again."""
    with open_books(common) as opened:
        current = opened.database.run_now(settings.load)
        amount = parse_amount(value, current.decimals)
        shown = f"{format_amount(amount, current.decimals)} {current.currency}"
        if sheet is not None:
            draw_sheet(sheet.suffix, _cards(opened, "voucher", shown), [])  # said before

        def issue(conn: Connection) -> Issued:
            return codes.issue_vouchers(conn, count, amount, unix_now(), os.urandom)

        with issued_and_kept(opened, "voucher", shown, issue) as kept:
            _show(opened, common.terminal(), kept, sheet)


@invitation_app.command(name="issue")
@command
def issue_invitations(
    *,
    count: CodeCount = 1,
    sheet: Sheet = None,
    common: Common = Common(),
) -> None:
    """Issue invitations, each valid for one account. Once written out, they are not shown again."""
    with open_books(common) as opened:
        if sheet is not None:
            draw_sheet(sheet.suffix, _cards(opened, "invitation", ""), [])

        def issue(conn: Connection) -> Issued:
            return invitations.issue_invitations(conn, count, unix_now(), os.urandom)

        with issued_and_kept(opened, "invitation", "Invitation", issue) as kept:
            _show(opened, common.terminal(), kept, sheet)


@voucher_app.command(name="show")
@command
def show_vouchers(*, sheet: Sheet = None, common: Common = Common()) -> None:
    """Show a batch whose codes could not be written out when it was made."""
    _show_kept("voucher", sheet, common)


@invitation_app.command(name="show")
@command
def show_invitations(*, sheet: Sheet = None, common: Common = Common()) -> None:
    """Show a batch whose codes could not be written out when it was made."""
    _show_kept("invitation", sheet, common)


def _show_kept(kind: Kind, sheet: Path | None, common: Common) -> None:
    with open_books(common) as opened:
        if sheet is not None:
            draw_sheet(sheet.suffix, _cards(opened, kind, ""), [])
        with kept_batch(opened, kind) as kept:
            _show(opened, common.terminal(), kept, sheet)


def _cards(opened: BrokerHome, kind: Kind, value: str) -> Cards:
    name = opened.database.run_now(settings.load).name
    return Cards(name, opened.fingerprint, value, HOW_TO_USE[kind])


def _show(opened: BrokerHome, terminal: Terminal, issued: KeptCodes, sheet: Path | None) -> None:
    written = None
    if sheet is not None:
        text = draw_sheet(sheet.suffix, _cards(opened, issued.kind, issued.value), issued.codes)
        with PartialFile(sheet.parent, sheet.name) as partial:
            partial.write(text.encode())
            written = partial.finish()
    result = {"batch": issued.batch, "codes": issued.codes, "sheet": written}

    def draw(console: Console) -> None:
        for code in issued.codes:
            console.print(code)
        of = f"of {issued.value}" if issued.kind == "voucher" else "invitations"
        console.print(f"Batch {issued.batch}: {len(issued.codes)} {of}.")
        if written is not None:
            console.print(f"To print: {shown_path(written)}")

    try:
        terminal.result(result, draw)
        terminal.flush()
    except (OutputLost, BrokenPipeError) as fault:
        lost = OutputLost(f"The codes of batch {issued.batch} were made, and are kept.")
        lost.hint = f"Run `veilmart broker {issued.kind} show`."
        raise lost from fault


@voucher_app.command(name="list")
@command
def list_vouchers(*, common: Common = Common()) -> None:
    """List batches of vouchers, and how many of each are left."""
    _list(True, common)


@invitation_app.command(name="list")
@command
def list_invitations(*, common: Common = Common()) -> None:
    """List batches of invitations that are not used up."""
    _list(False, common)


def _list(vouchers: bool, common: Common) -> None:
    with open_books(common) as opened:
        query = codes.voucher_lines if vouchers else invitations.invitation_lines
        lines: list[BatchLine] = opened.database.read_now(query)
        decimals = opened.database.run_now(settings.load).decimals
    rows = [
        (
            str(line.batch),
            format_amount(line.value, decimals) if vouchers else "",
            str(line.issued) if vouchers else "",
            str(line.left),
            str(line.redeemed) if vouchers else "",
            str(line.void) if vouchers else "",
            str(line.unconfirmed) if vouchers else "",
        )
        for line in lines
    ]
    heads = ("Batch", "Value", "Issued", "Left", "Redeemed", "Taken back", "Unknown since backup")
    value = [with_amounts(line, decimals, "value") for line in lines]
    show_table(common.terminal(), value, heads, rows)


@voucher_app.command
@command
def void(
    code: Annotated[str | None, Parameter(help="One voucher.")] = None,
    *,
    batch: Batch = None,
    common: Common = Common(),
) -> None:
    """Void vouchers that are not redeemed."""
    if (code is None) == (batch is None):
        raise BadArgument("Give one code, or --batch.")
    with open_books(common) as opened:
        run_now = opened.database.run_now
        if code is not None:
            run_now(codes.void_voucher, code, unix_now())
            count = 1
        else:
            count = run_now(codes.void_batch, batch or 0, unix_now())
    _say_void(common.terminal(), count)


@voucher_app.command
@command
def confirm(
    code: Annotated[str | None, Parameter(help="One voucher; default: all.")] = None,
    *,
    batch: Batch = None,
    common: Common = Common(),
) -> None:
    """After a restore: confirm vouchers that were not voided since the backup."""
    with open_books(common) as opened:
        count = opened.database.run_now(codes.confirm_vouchers, code, batch)
    common.terminal().result(
        {"confirmed": count}, lambda console: console.print(f"Confirmed: {count}.")
    )


@invitation_app.command(name="void")
@command
def void_invitations(
    *,
    batch: Annotated[int, Parameter(converter=whole(1), help="Which batch.")],
    common: Common = Common(),
) -> None:
    """Void the unused invitations of a batch."""
    with open_books(common) as opened:
        count = opened.database.run_now(invitations.void_invitations, batch)
    _say_void(common.terminal(), count)


def _say_void(terminal: Terminal, count: int) -> None:
    terminal.result({"void": count}, lambda console: console.print(f"Taken back: {count}."))
