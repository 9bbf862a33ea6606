"""`veilmart customer sync|cancel`: finish or give up what was interrupted."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.customer.cli.account import Yes
from veilmart.customer.cli.connect import broker_url, visited
from veilmart.customer.cli.library import Outcome, fetch_one, look_for_updates
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.passphrase import PassphraseFile, unlocked, unlocked_if_easy
from veilmart.customer.cli.progress import Drawer
from veilmart.customer.cli.prompts import Person
from veilmart.customer.cli.tokens import refill_stocks
from veilmart.customer.library.errands import Errand, all_errands, draw, served
from veilmart.customer.library.exchange_rules import exchange
from veilmart.customer.purchase.recovery_rules import Recovered, find_late_refund
from veilmart.customer.wallet.orders import Order, save_elsewhere
from veilmart.customer.wallet.wallet import Wallet, find_order
from veilmart.errors import BadArgument, Declined, Misuse, NetworkFailure, VeilmartError
from veilmart.protocol import moments
from veilmart.protocol.wallet_states import WalletState
from veilmart.storage.files.names import encodable, shown_path, visible
from veilmart.terminal.command import PURCHASE, Common, command_about
from veilmart.terminal.console import Console

OUTCOMES = {
    "done": "finished; saved to {path}",
    "refunded": "was refunded; the whole amount is back on your balance",
    "returned": "its merchant gave the money back; the whole amount is on your balance",
    "cancelled": "cancelled; the whole amount is back on your balance",
    "abandoned": "was never paid; no money moved; you can buy it again",
}


TOKEN_OUTCOMES = {
    **OUTCOMES,
    "refunded": "was refunded; a token of the same price is back",
    "cancelled": "cancelled; a token of the same price is back",
    "abandoned": "was never paid; its token is no longer accepted; see `customer tokens`",
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


GIVEN_AWAY = (
    "All at once: anybody who sees the connections can tell that these {count} belong together."
)


@command_about(PURCHASE)
async def sync(
    *,
    updates: Annotated[
        bool,
        Parameter(
            help="Look for new versions of what you own. Fetching one reveals that somebody "
            "owns a product of its shelf.",
            negative="--no-updates",
        ),
    ] = False,
    now: Annotated[
        bool, Parameter(help="Do everything at once, not each at its own time.", negative="")
    ] = False,
    out: Annotated[
        Path | None, Parameter(help="Save the files finished now into this folder instead.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    proxy: ProxyOption = None,
    common: Common = Common(),
) -> int:
    """Do the due work of one account or one order: finish it, ask about refunds, refill tokens.

    Run it often from a timer: each run serves one identity, and each order paid by a token waits
    for its own random time within hours. Refilling needs the passphrase.
    """
    person = Person(common.terminal())
    with opened_wallet(common, proxy) as locked, locked.purchasing():
        wallet = unlocked_if_easy(locked, person, passphrase_file)
        done: list[Outcome] = []
        if updates:
            done += await look_for_updates(wallet, person, everywhere=now)
        found = all_errands(wallet)
        chosen = found if now else []
        if now and len(found) > 1:
            person.terminal.say(GIVEN_AWAY.format(count=len(found)))
        elif not now and not updates:
            one = draw(wallet, found)
            chosen = [] if one is None else [one]
        exchanged: list[SyncLine] = []
        code = 0
        for errand in chosen:
            if errand.token is not None:
                line, failed = await _exchange(wallet, person, errand, passphrase_file)
                exchanged.append(line)
                code = code or failed
            elif errand.stocks:
                code = await refill_stocks(wallet, person, passphrase_file, errand.stocks) or code
                served(wallet, errand)
            else:
                done += await _serve(wallet, person, errand, out)
    waiting = [errand for errand in found if errand not in chosen and is_waited_for(errand)]
    lines = [sync_line(order, outcome, detail) for order, outcome, detail, _ in done] + exchanged
    exit_code = next((found for *_, found in done if found), code)
    person.terminal.result(
        {"orders": lines, "waiting": len(waiting)},
        lambda console: _draw_sync(console, lines, len(waiting)),
    )
    return exit_code


def is_waited_for(errand: Errand) -> bool:
    """Whether a person knows of it: asking about refunds and refilling go on for ever."""
    return errand.kind in ("order", "copy", "exchange") or (
        errand.kind == "account" and bool(errand.orders)
    )


async def _exchange(
    wallet: Wallet, person: Person, errand: Errand, passphrase_file: Path | None
) -> tuple[SyncLine, int]:
    """One token that ends soon, on a connection of its own. What became of it; the exit code."""
    token = errand.token
    if token is None:
        raise Misuse("An exchange has a token.")
    url = broker_url(wallet, errand.broker)
    try:
        opened = wallet if wallet.seed else unlocked(wallet, person, passphrase_file)
        async with visited(opened, person, url, mention=False, anonymous=True) as shopper:
            until = await shopper.perform(exchange(token, opened.clock, opened.random))
    except VeilmartError as error:
        return SyncLine("", "A token", "error", error.explain()), error.exit_code
    finally:
        served(wallet, errand)
    day = moments.moment(until)
    said = f"exchanged for a fresh one, good until {day:%Y-%m-%d}"
    return SyncLine("", "A token", "exchanged", said), 0


async def _serve(wallet: Wallet, person: Person, errand: Errand, out: Path | None) -> list[Outcome]:
    """Do one identity's work; return its outcomes."""
    try:
        if errand.copy is not None:
            return await fetch_one(wallet, person, errand.copy, errand.orders[0])
        done: list[Outcome] = []
        for order in errand.orders:
            done += await _finish(wallet, person, order, out)
        for order in await _look_for_refunds(wallet, person, errand):
            done.append((order, "returned", OUTCOMES["returned"], 0))
        return done
    finally:
        served(wallet, errand)


async def _finish(wallet: Wallet, person: Person, order: Order, out: Path | None) -> list[Outcome]:
    quiet = order.state == WalletState.ABANDONED
    try:
        wanted = order if out is None else _save_into(wallet, order, out)
        recovered = await _recover(wallet, person, wanted)
    except VeilmartError as error:
        return [(order, "error", error.explain(), error.exit_code)]
    if quiet and recovered.outcome != "cancelled":
        return []
    return [(order, recovered.outcome, outcome_text(recovered), 0)]


def _save_into(wallet: Wallet, order: Order, out: Path) -> Order:
    folder = str(out.absolute())
    if not encodable(folder):
        raise BadArgument(f"The folder {shown_path(out)} has a name in no UTF-8.")
    wallet.database.run_now(save_elsewhere, order.order, folder)
    return replace(order, out_folder=folder)


async def _look_for_refunds(wallet: Wallet, person: Person, errand: Errand) -> list[Order]:
    """Ask about settled orders that their merchant may have refunded, on one connection.

    They are of one identity. A broker that cannot be reached is asked at the next sync.
    """
    found: list[Order] = []
    if not errand.settled:
        return found
    url, anonymous = broker_url(wallet, errand.broker), errand.kind != "account"
    try:
        async with visited(wallet, person, url, mention=False, anonymous=anonymous) as shopper:
            for order in errand.settled:
                recovered = await shopper.perform(find_late_refund(order, wallet.clock))
                if recovered is not None:
                    found.append(recovered.order)
    except NetworkFailure:
        return found
    return found


def sync_line(order: Order, outcome: str, detail: str) -> SyncLine:
    return SyncLine(order.order.hex(), visible(order.title), outcome, detail)


def _draw_sync(console: Console, lines: list[SyncLine], waiting: int) -> None:
    for line in lines:
        name = f"{line.order[:8]}  {line.title}" if line.order else line.title
        console.print(f"{name}: {line.detail}")
    if waiting:
        noun = "1 task waits for its" if waiting == 1 else f"{waiting} tasks wait for their"
        console.print(f"{noun} own time; --now does all at once.")
    elif not lines:
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


@command_about(PURCHASE)
async def cancel(
    order: Annotated[str, Parameter(help="Beginning of the order's name.")],
    *,
    yes: Yes = False,
    common: Common = Common(),
) -> None:
    """Cancel a purchase whose key is not released yet; the whole amount comes back."""
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
        sync_line(found, recovered.outcome, text),
        lambda console: console.print(f"{visible(found.title)}: {text}"),
    )
