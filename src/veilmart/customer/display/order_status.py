"""The status of an order: the money, the goods, what to do, and by when.

It is derived from the wallet's data alone; `sync` asks the broker. Times of the broker's clock that
the wallet does not know are estimated from its own clock and shown with "about".
"""

from dataclasses import dataclass
from pathlib import Path

from veilmart.customer.display.goods import FILE
from veilmart.customer.display.order_lines import OrderLine, order_line
from veilmart.customer.wallet.orders import Order, terms_of
from veilmart.errors import PeerFault
from veilmart.protocol import moments
from veilmart.protocol.encoding import decode
from veilmart.protocol.offer import SIGNATURE_BYTES, SIGNED_MAX_BYTES, Offer, PaymentReceipt
from veilmart.protocol.wallet_states import WalletState
from veilmart.storage.files.names import shown_path, visible


@dataclass(frozen=True)
class Actions:
    """How a face names the actions on an order within a sentence."""

    sync: str
    cancel: str
    dispute: str
    fetch: str


def _of_commands(order: Order) -> Actions:
    name = order.order.hex()[:8]
    return Actions(
        sync="`veilmart customer sync`",
        cancel=f"`veilmart customer cancel {name}`",
        dispute=f"`veilmart customer dispute {name}`",
        fetch=f"`veilmart customer fetch {name}`",
    )


ACTIONS_OF_PAGES = Actions('"Go on"', '"Cancel"', '"Dispute"', '"Fetch again" in the library')


@dataclass(frozen=True)
class Standing:
    """Sentences, and Unix seconds: `by` is when the money moves by itself, None for never.

    todo: empty when there is nothing to do.
    """

    money: str
    goods: str
    todo: str
    by: int | None


def standing(
    order: Order,
    fault: str | None,
    now: int,
    *,
    token_due: bool = False,
    actions: Actions | None = None,
) -> Standing:
    """fault: the fault that delivery found, if any. token_due: its refund is a token that has not
    arrived. actions: their names; by default those of the commands. Raises StoreDamaged.
    """
    offer, do = terms_of(order).offer, actions or _of_commands(order)
    match WalletState(order.state):
        case WalletState.CONFIRMING:
            return Standing(
                "may be held: the broker has not confirmed the payment",
                "not here yet",
                f"{do.sync} asks the broker, and finishes or drops it",
                offer.pay_by,
            )
        case WalletState.HELD:
            return _held(order, offer, do, now)
        case WalletState.RELEASED | WalletState.DELIVERED:
            return _released(order, offer, do, fault, now)
        case WalletState.DONE:
            return Standing("paid to the merchant", _file(order, do), "", None)
        case WalletState.REFUNDED:
            return _refunded(order, do, token_due)
        case WalletState.ABANDONED:
            return Standing("never paid; none moved", "not delivered", "", None)


def _refunded(order: Order, do: Actions, token_due: bool) -> Standing:
    there = order.file_path is not None and Path(order.file_path).exists()
    goods = "here as well" if there else "not here"
    if token_due:
        return Standing(
            "refunded as a token that has not arrived", goods, f"{do.sync} brings it", None
        )
    return Standing("returned to you, the whole amount", goods, "", None)


def _held(order: Order, offer: Offer, do: Actions, now: int) -> Standing:
    held_at = _held_at(order)
    by = (order.changed_at if held_at is None else held_at) + offer.deliver_within
    if now >= by:
        return Standing(
            "comes back whole: the time to deliver is over",
            "not delivered",
            f"{do.sync} records the refund",
            by,
        )
    return Standing(
        "held; comes back whole unless the key is asked for before then",
        "here, sealed; the key has not come",
        f"{do.sync} finishes it, {do.cancel} gives it up",
        by,
    )


def _released(order: Order, offer: Offer, do: Actions, fault: str | None, now: int) -> Standing:
    by = order.changed_at + offer.settle_within
    if fault is None:
        goods = "the key is here, the file is not finished"
        if order.state == WalletState.DELIVERED:
            goods = _file(order, do)
        return Standing("held; goes to the merchant about then", goods, do.sync, by)
    if now >= by:
        return Standing(
            "with the merchant: the time to settle is over",
            f"not as promised: {fault}",
            "only the merchant can give it back now",
            by,
        )
    return Standing(
        "held; goes to the merchant about then unless you dispute it",
        f"not as promised: {fault}",
        do.dispute,
        by,
    )


def _held_at(order: Order) -> int | None:
    """The broker's time of the payment, if its receipt is here."""
    if order.receipt is None:
        return None
    try:
        body = order.receipt[SIGNATURE_BYTES:]
        return decode(PaymentReceipt, body, SIGNED_MAX_BYTES).held_at
    except PeerFault:
        return None


def _file(order: Order, do: Actions) -> str:
    path = Path(order.file_path or "")
    if order.file_path and path.exists():
        return "here"
    return f"was saved, but is no longer there: {do.fetch}"


@dataclass(frozen=True)
class StandingLine(OrderLine, Standing):
    """An order and where it stands, for JSON and people."""


def standing_line(
    order: Order, fault: str | None, now: int, *, token_due: bool = False
) -> StandingLine:
    """Raises StoreDamaged."""
    found = standing(order, fault, now, token_due=token_due)
    return StandingLine(**vars(order_line(order)), **vars(found))


def true_size(line: OrderLine) -> int:
    """Bytes of the finished file; 0 while it is not there, and for a licence key."""
    if line.path is None or line.kind != FILE:
        return 0
    try:
        return Path(line.path).stat().st_size
    except (OSError, ValueError):
        return 0


def _sizes(line: StandingLine) -> str:
    true = true_size(line)
    known = f" of {true:,} bytes" if true else ""
    return f"{known}, {line.download:,} bytes to download"


def standing_text(line: StandingLine) -> list[str]:
    """Lines for people."""
    place = f"  {shown_path(Path(line.path))}" if line.path else ""
    lines = [f"{line.order[:8]}  {line.state:<10}  {line.price:>8}  {line.title}{place}"]
    made = f"{moments.moment(line.made_at):%Y-%m-%d %H:%M} UTC"
    lines.append(f"{'':10}bought: {made} from {line.merchant}, a {line.kind}{_sizes(line)}")
    money = line.money
    if line.by is not None:
        money += f" ({moments.moment(line.by):%Y-%m-%d %H:%M} UTC)"
    for name, text in (("money", money), ("goods", line.goods), ("to do", line.todo)):
        if text:
            lines.append(f"{'':10}{name}: {visible(text)}")
    return lines
