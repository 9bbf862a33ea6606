"""`veilmart customer restore-order|restore-orders`: each order on a connection of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.customer.cli.account import Yes
from veilmart.customer.cli.connect import broker_url, meet_merchant, visited
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.passphrase import PassphraseFile, unlocked
from veilmart.customer.cli.prompts import Person
from veilmart.customer.tokens.lost_order import bring_back
from veilmart.customer.wallet.lost_orders import LostOrder, orders_lost
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import BadArgument, Declined, NoSuchOrder, VeilmartError
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.command import PURCHASE, Common, command_about
from veilmart.terminal.console import Console

KEY_PREFIX_MIN = 4

ENDS = {
    InvoiceState.REFUNDED: "was refunded; its token is back",
    InvoiceState.SETTLED: "is yours; `veilmart customer fetch` brings it again",
    InvoiceState.RELEASED: "is yours; once it is settled, `veilmart customer fetch` brings it",
    InvoiceState.HELD: "is held and comes back whole when its time is over; ask again then",
}
TOGETHER = (
    "Asked about within minutes of each other, the broker can tell that these {count} orders are "
    "one person's."
)
UNPAID = "was never paid; no money moved"


@dataclass(frozen=True)
class LostLine:
    """order: hexadecimal. state: of the broker's invoice."""

    order: str
    state: str
    amount: str
    title: str
    detail: str


@command_about(PURCHASE)
async def restore_order(
    key: Annotated[str, Parameter(help="Beginning of the order's key, as `orders` shows it.")],
    *,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    proxy: ProxyOption = None,
    common: Common = Common(),
) -> None:
    """Ask the broker about an order of a restored wallet and recover it or its token."""
    person = Person(common.terminal(), yes)
    with opened_wallet(common, proxy) as locked, locked.purchasing():
        lost = find_lost(locked, key)
        line = await _bring(unlocked(locked, person, passphrase_file), person, lost)
    person.terminal.result(line, lambda console: _draw(console, line))


@command_about(PURCHASE)
async def restore_orders(
    *,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    proxy: ProxyOption = None,
    common: Common = Common(),
) -> int:
    """Ask the broker about every order of a restored wallet, each on a separate connection.

    The broker can tell that orders asked about within minutes belong together.
    """
    person = Person(common.terminal(), yes)
    lines: list[LostLine] = []
    exit_code = 0
    with opened_wallet(common, proxy) as locked, locked.purchasing():
        lost = locked.database.run_now(orders_lost)
        if len(lost) > 1:
            person.terminal.say(TOGETHER.format(count=len(lost)))
            if not person.confirm("Ask about all of them now? (y/n) "):
                raise Declined("Nothing was sent. `restore-order KEY` asks about one.")
        wallet = unlocked(locked, person, passphrase_file) if lost else locked
        for order in lost:
            try:
                lines.append(await _bring(wallet, person, order))
            except VeilmartError as error:
                name = order.order_key.hex()[:8]
                person.terminal.errors.print(f"{name}: {error.explain()}")
                exit_code = error.exit_code
                continue
            if not person.terminal.json:
                _draw(person.terminal.console, lines[-1])
    person.terminal.result(
        {"orders": lines, "left": len(lost) - len(lines)},
        lambda console: None if lost else console.print("No order is known by its key alone."),
    )
    return exit_code


async def _bring(wallet: Wallet, person: Person, lost: LostOrder) -> LostLine:
    """One order on a connection of its own. wallet: unlocked."""
    async with visited(
        wallet,
        person,
        broker_url(wallet, lost.broker),
        mention=False,
        anonymous=True,
        recovering=True,
    ) as shopper:
        traced, title = await bring_back(
            shopper,
            lost,
            lambda merchant: meet_merchant(shopper, person, merchant),
            Path(),
        )
        decimals = shopper.broker.descriptor.decimals
    detail = ENDS.get(InvoiceState(traced.state), UNPAID)
    amount = format_amount(traced.amount, decimals)
    return LostLine(traced.order.hex(), traced.state, amount, visible(title), detail)


def _draw(console: Console, line: LostLine) -> None:
    name = line.title or f"The order over {line.amount}"
    console.print(f"{line.order[:8]}  {name} {line.detail}")


def find_lost(wallet: Wallet, prefix: str) -> LostOrder:
    """By the first characters of its key. Raises NoSuchOrder, BadArgument."""
    wanted = prefix.strip().lower()
    if len(wanted) < KEY_PREFIX_MIN:
        raise BadArgument(f"Give at least {KEY_PREFIX_MIN} characters of the key.")
    lost = wallet.database.run_now(orders_lost)
    found = [order for order in lost if order.order_key.hex().startswith(wanted)]
    if not found:
        raise NoSuchOrder
    if len(found) > 1:
        raise BadArgument("Several keys begin like that.")
    return found[0]
