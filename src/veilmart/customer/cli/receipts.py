"""`veilmart customer receipt export|verify`."""

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.purchase.receipts import (
    RECEIPT_MAX_BYTES,
    VerifiedReceipt,
    export_receipt,
    verify_receipt,
)
from veilmart.customer.wallet.wallet import find_order
from veilmart.errors import BadArgument
from veilmart.protocol import moments
from veilmart.storage.files.names import shown_path, visible
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.command import Common, command
from veilmart.terminal.console import Console


@command
def export(
    order: Annotated[str, Parameter(help="Beginning of the order's name.")],
    *,
    out: Annotated[Path | None, Parameter(help="File to write; default: ORDER.receipt.")] = None,
    common: Common = Common(),
) -> None:
    """Write the receipt of an order, to be verified by anybody, offline."""
    terminal = common.terminal()
    with opened_wallet(common) as wallet:
        found = find_order(wallet, order)
    data = export_receipt(found)
    target = out or Path(f"{found.order.hex()[:16]}.receipt")
    with PartialFile(target.parent, target.name) as partial:
        partial.write(data)
        path = partial.finish()
    terminal.result(
        {"order": found.order.hex(), "path": path},
        lambda console: console.print(f"Receipt written to {shown_path(path)}"),
    )


@command
def verify(
    file: Annotated[Path, Parameter(help="A receipt file.")], *, common: Common = Common()
) -> None:
    """Verify a receipt file, offline. Exit code 2 if it is not genuine."""
    try:
        with file.open("rb") as stream:
            data = stream.read(RECEIPT_MAX_BYTES + 1)
    except OSError as fault:
        raise BadArgument(f"{file} cannot be read.") from fault
    verified = verify_receipt(data)
    common.terminal().result(verified, lambda console: _draw_receipt(console, verified))


def _draw_receipt(console: Console, found: VerifiedReceipt) -> None:
    moment = moments.moment(found.held_at)
    for line in (
        "The receipt is genuine.",
        f"Merchant: {visible(found.merchant_name)}  {found.merchant}",
        f"Broker:   {visible(found.broker_name)}  {found.broker}",
        f"Amount:   {found.amount} {visible(found.currency)}",
        f"Paid at:  {moment:%Y-%m-%d %H:%M:%S} UTC",
        f"Product:  {found.product_root}",
        f"Order:    {found.order}",
    ):
        console.print(line)


receipt_app = App(name="receipt", help="Export or verify a receipt.")
receipt_app.default(export)
receipt_app.command(verify)
