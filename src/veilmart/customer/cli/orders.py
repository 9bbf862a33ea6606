"""`veilmart customer orders|library`, and the mount of receipt, sync and cancel."""

from dataclasses import dataclass
from pathlib import Path

from veilmart.customer.cli.opened_wallet import mention_unfinished, opened_wallet
from veilmart.customer.display.order_lines import OrderLine, order_line
from veilmart.customer.display.order_status import standing_line, standing_text
from veilmart.customer.wallet.copies import newest_copies
from veilmart.customer.wallet.held_tokens import orders_without_refund
from veilmart.customer.wallet.lost_orders import orders_lost
from veilmart.customer.wallet.orders import all_orders, faults_by_order, orders_in
from veilmart.protocol.wallet_states import WalletState
from veilmart.storage.files.names import shown_path
from veilmart.terminal.command import Common, command
from veilmart.terminal.console import Console


@dataclass(frozen=True)
class CopyLine:
    """The newest version that was fetched after the purchase. order: hexadecimal."""

    order: str
    version: int
    path: str | None


@command
def orders(*, common: Common = Common()) -> None:
    """List every purchase, newest first: its money, its goods, what to do and by when."""
    terminal = common.terminal()
    with opened_wallet(common) as wallet:
        found = wallet.database.run_now(all_orders)
        faults, now = wallet.database.run_now(faults_by_order), wallet.clock()
        waiting = {order.order for order in wallet.database.run_now(orders_without_refund)}
        lost = wallet.database.run_now(orders_lost)
    lines = [
        standing_line(order, faults.get(order.order), now, token_due=order.order in waiting)
        for order in found
    ]

    def draw(console: Console) -> None:
        for line in lines:
            for text in standing_text(line):
                console.print(text)
        for order in lost:
            console.print(f"{order.order_key.hex()[:8]}  known by its key")
        if lost:
            console.print("`veilmart customer restore-order KEY` asks about one,")
            console.print("`veilmart customer restore-orders` about all of them.")
        if not lines and not lost:
            console.print("Nothing yet.")

    keys = [order.order_key.hex() for order in lost]
    terminal.result({"orders": lines, "lost": keys}, draw)


@command
def library(*, common: Common = Common()) -> None:
    """List what you own and where its files were saved."""
    terminal = common.terminal()
    with opened_wallet(common) as wallet:
        mention_unfinished(wallet, terminal)
        found = wallet.database.run_now(orders_in, (WalletState.DONE,))
        copies = wallet.database.run_now(newest_copies)
    lines = [order_line(order) for order in found]
    fetched = [
        CopyLine(order.hex(), copy.version, copy.file_path) for order, copy in copies.items()
    ]

    def draw(console: Console) -> None:
        for line in lines:
            console.print(_order_text(line))
            for copy in fetched:
                if copy.order == line.order:
                    place = shown_path(Path(copy.path or ""))
                    console.print(f"{'':10}version {copy.version}  {place}")
        if not lines:
            console.print("Nothing yet.")

    terminal.result({"orders": lines, "copies": fetched}, draw)


def _order_text(line: OrderLine) -> str:
    place = f"  {shown_path(Path(line.path))}" if line.path else ""
    return f"{line.order[:8]}  {line.state:<10}  {line.price:>8}  {line.title}{place}"
