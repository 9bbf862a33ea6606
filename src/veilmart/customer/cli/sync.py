"""`veilmart customer sync|cancel`: finish or give up what was interrupted."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from veilmart.customer.cli.account import Yes
from veilmart.customer.cli.connect import broker_url, opened_wallet, visited
from veilmart.customer.cli.library import sync_copies
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.passphrase import PassphraseFile, unlocked_if_easy
from veilmart.customer.cli.progress import Drawer
from veilmart.customer.cli.prompts import Person
from veilmart.customer.cli.tokens import refill_stocks
from veilmart.customer.library.late_refund_rules import look, refund_visits
from veilmart.customer.purchase.recovery_rules import Recovered, to_sync
from veilmart.customer.wallet.orders import Order, save_elsewhere
from veilmart.customer.wallet.wallet import Wallet, find_order
from veilmart.errors import BadArgument, Declined, NetworkFailure, VeilmartError
from veilmart.protocol.purchase import WalletState
from veilmart.storage.files.names import encodable, shown_path, visible
from veilmart.terminal.command import Common, command

OUTCOMES = {
    "done": "finished; saved to {path}",
    "refunded": "was refunded; the whole amount is back on your balance",
    "returned": "its merchant gave the money back; the whole amount is on your balance",
    "cancelled": "cancelled; the whole amount is back on your balance",
    "abandoned": "was never paid; no money moved, buy it again if you like",
}


TOKEN_OUTCOMES = {
    **OUTCOMES,
    "refunded": "was refunded; a token of the same price is back",
    "cancelled": "cancelled; a token of the same price is back",
    "abandoned": "was never paid, its token is not taken any more; see `customer tokens`",
}


def outcome_text(recovered: Recovered) -> str:
    """A sentence for a person."""
    texts = OUTCOMES if recovered.order.spend is None else TOKEN_OUTCOMES
    return texts[recovered.outcome].format(path=recovered.path)


@dataclass(frozen=True)
class SyncLine:
    """outcome: a key of OUTCOMES, or "error" with the error's sentence in `detail`."""

    order: str
    title: str
    outcome: str
    detail: str


@command
async def sync(
    *,
    updates: Annotated[
        bool, Parameter(help="Also look for new versions of what you own.", negative="--no-updates")
    ] = True,
    now: Annotated[
        bool, Parameter(help="Fetch new versions at once, not at a random moment.")
    ] = False,
    out: Annotated[
        Path | None, Parameter(help="Save what is finished now into this folder instead.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    proxy: ProxyOption = None,
    common: Common = Common(),
) -> int:
    """Do what is due: finish interrupted purchases, fetch new versions, refill token stocks.

    Fit for a timer; refilling needs the passphrase, and to run at least once an hour.
    """
    person = Person(common.terminal())
    lines: list[SyncLine] = []
    exit_code = 0
    with opened_wallet(common, proxy) as locked, locked.purchasing():
        wallet = unlocked_if_easy(locked, person, passphrase_file)
        for order in to_sync(wallet):
            quiet = order.state == WalletState.ABANDONED
            try:
                wanted = order if out is None else _save_into(wallet, order, out)
                recovered = await _recover(wallet, person, wanted)
            except VeilmartError as error:
                exit_code = error.exit_code
                lines.append(_sync_line(order, "error", error.explain()))
                continue
            if not quiet or recovered.outcome == "cancelled":
                text = outcome_text(recovered)
                lines.append(_sync_line(order, recovered.outcome, text))
        for order in await _look_for_refunds(wallet, person):
            lines.append(_sync_line(order, "returned", OUTCOMES["returned"]))
        for order, outcome, detail, code in await sync_copies(
            wallet, person, look=updates, at_once=now
        ):
            exit_code = exit_code or code
            lines.append(_sync_line(order, outcome, detail))
        exit_code = exit_code or await refill_stocks(wallet, person, passphrase_file)
    person.terminal.result({"orders": lines}, lambda console: _draw_sync(console, lines))
    return exit_code


def _save_into(wallet: Wallet, order: Order, out: Path) -> Order:
    folder = str(out.absolute())
    if not encodable(folder):
        raise BadArgument(f"The folder {shown_path(out)} has a name in no UTF-8.")
    wallet.database.run_now(save_elsewhere, order.order, folder)
    return replace(order, out_folder=folder)


async def _look_for_refunds(wallet: Wallet, person: Person) -> list[Order]:
    """Settled orders that a merchant has given back since; one visit to each broker.

    A broker that cannot be reached is asked at the next sync: nothing is lost by that.
    """
    found: list[Order] = []
    for orders in refund_visits(wallet):
        url = broker_url(wallet, orders[0].broker)
        try:
            async with visited(wallet, person, url, mention=False, anonymous=True) as shopper:
                for order in orders:
                    recovered = await shopper.perform(look(order, wallet.clock))
                    if recovered is not None:
                        found.append(recovered.order)
        except NetworkFailure:
            continue
    return found


def _sync_line(order: Order, outcome: str, detail: str) -> SyncLine:
    return SyncLine(order.order.hex(), visible(order.title), outcome, detail)


def _draw_sync(console: Console, lines: list[SyncLine]) -> None:
    for line in lines:
        console.print(f"{line.order[:8]}  {line.title}: {line.detail}", markup=False)
    if not lines:
        console.print("Nothing is unfinished.")


async def _recover(wallet: Wallet, person: Person, order: Order) -> Recovered:
    drawer = Drawer(person.terminal)
    async with visited(
        wallet,
        person,
        broker_url(wallet, order.broker),
        observe=drawer,
        mention=False,
        anonymous=order.spend is not None,
        recovering=True,
    ) as shopper:
        drawer.decimals = shopper.broker.descriptor.decimals
        try:
            return await shopper.recover(order)
        finally:
            drawer.close()


@command
async def cancel(
    order: Annotated[str, Parameter(help="Beginning of the order's name.")],
    *,
    yes: Yes = False,
    common: Common = Common(),
) -> None:
    """Give up a purchase whose key is not out yet; the whole amount comes back."""
    person = Person(common.terminal(), yes)
    with opened_wallet(common) as wallet, wallet.purchasing():
        found = find_order(wallet, order)
        if not person.confirm(f"Cancel {visible(found.title)}? (y/n) "):
            raise Declined("Nothing was changed.")
        url = broker_url(wallet, found.broker)
        anonymous = found.spend is not None
        async with visited(
            wallet, person, url, mention=False, anonymous=anonymous, recovering=True
        ) as shopper:
            recovered = await shopper.cancel(found)
    text = outcome_text(recovered)
    person.terminal.result(
        _sync_line(found, recovered.outcome, text),
        lambda console: console.print(f"{visible(found.title)}: {text}", markup=False),
    )
