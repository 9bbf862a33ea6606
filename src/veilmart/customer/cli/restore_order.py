"""`veilmart customer restore-order`: one order of a restored wallet, on a connection of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.customer.cli.account import Yes
from veilmart.customer.cli.connect import broker_url, meet_merchant, opened_wallet, visited
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.passphrase import PassphraseFile, unlocked
from veilmart.customer.cli.prompts import Person
from veilmart.customer.tokens.lost_order import bring_back
from veilmart.customer.tokens.restore import LostOrder, orders_lost
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import BadArgument, NoSuchOrder
from veilmart.protocol.accounting import format_amount
from veilmart.protocol.invoice_states import InvoiceState
from veilmart.storage.files.partial_file import visible
from veilmart.terminal.command import Common, command

KEY_PREFIX_MIN = 4

ENDS = {
    InvoiceState.REFUNDED: "was refunded; its token is back",
    InvoiceState.SETTLED: "is yours; `veilmart customer fetch` brings it again",
    InvoiceState.RELEASED: "is yours; once it is settled, `veilmart customer fetch` brings it",
    InvoiceState.HELD: "is held and comes back whole when its time is over; ask again then",
}
UNPAID = "was never paid; no money moved"


@dataclass(frozen=True)
class LostLine:
    """order: hexadecimal. state: of the broker's invoice."""

    order: str
    state: str
    amount: str
    title: str
    detail: str


@command
async def restore_order(
    key: Annotated[str, Parameter(help="Beginning of the order's key, as `orders` shows it.")],
    *,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    proxy: ProxyOption = None,
    common: Common = Common(),
) -> None:
    """Ask what became of an order of a restored wallet, and bring it or its token back."""
    person = Person(common.terminal(), yes)
    with opened_wallet(common, proxy) as locked, locked.purchasing():
        lost = find_lost(locked, key)
        wallet = unlocked(locked, person, passphrase_file)
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
    line = LostLine(traced.order.hex(), traced.state, amount, visible(title), detail)
    name = line.title or f"The order over {amount}"
    person.terminal.result(
        line,
        lambda console: console.print(f"{traced.order.hex()[:8]}  {name} {detail}", markup=False),
    )


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
