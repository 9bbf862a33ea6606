"""Events as lines of text: a few by default, all of them with --narrate.

Customers are told apart as R1, R2, ... in the order in which their request numbers were first
seen; the names live in this process's memory alone.
"""

from collections import OrderedDict
from collections.abc import Callable

from veilmart.broker import events
from veilmart.crypto.identity import format_fingerprint
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.names import visible

REMEMBERED_MAX = 10_000
QUIET = (
    events.Listening,
    events.Identified,
    events.MerchantAuthenticated,
    events.MerchantLost,
    events.CustomerAuthenticated,
    events.CustomerRefused,
    events.MerchantAsked,
    events.BooksFolded,
    events.DisputeWon,
    events.TokenKeyRetired,
    events.TaskFailed,
)
_WHERE = {"join": "merchant requests", "withdrawal": "withdrawals"}
_PLAIN: dict[type[events.Event], str] = {
    events.TokensIssued: "Tokens were withdrawn.",
    events.TokenDeposited: "A token was put back on an account.",
    events.TokenSpent: "A token was taken.",
}
_OUTCOMES = {
    events.PaymentHeld: "Payment Status - True",
    events.PaymentLapsed: "Payment Status - False",
    events.KeyReleased: "key released",
    events.OrderSettled: "Transaction Done",
    events.OrderRefunded: "refunded",
    events.OrderReturned: "refunded by its merchant",
    events.DisputeWon: "dispute won, refunded",
    events.DisputeRefused: "dispute refused",
}


def _office_line(event: events.Event) -> str:
    """Events for the operator that are no part of a purchase."""
    match event:
        case events.TokenKeyRetired(_price, epoch, expired):
            return f"A token key of epoch {epoch} was retired; {expired} tokens expired."
        case events.Identified(own):
            return f"Fingerprint: {format_fingerprint(own)}"
        case events.VoucherRedeemed():
            return "A voucher was redeemed."
        case events.MerchantAsked(what):
            return f"A merchant asks: {what}. See `veilmart broker {_WHERE[what]}`."
        case events.BooksFolded(transactions, _until):
            return f"The books were audited and {transactions} old transactions folded."
    return _PLAIN.get(type(event), type(event).__name__)


class Narrator:
    """Call it with events; it calls `write` with lines."""

    def __init__(self, write: Callable[[str], None], *, narrate: bool, decimals: int) -> None:
        self._write = write
        self._narrate = narrate
        self._decimals = decimals
        self._requests = 0
        self._names: OrderedDict[bytes, str] = OrderedDict()

    def __call__(self, event: events.Event) -> None:
        if self._narrate or isinstance(event, QUIET):
            self._write(visible(self._line(event)))

    def _line(self, event: events.Event) -> str:
        line = _office_line(event)
        match event:
            case events.Listening(host, port):
                line = f"Broker listening on {host}:{port}"
            case events.MerchantAuthenticated(name, group, fingerprint):
                line = f"Merchant {name} authenticated successfully."
                if self._narrate:
                    line += f" Group {group}, session fingerprint {fingerprint}"
            case events.MerchantLost(name, reason):
                line = f"Merchant {name} cannot be reached: {reason}"
            case events.CustomerSession(group, fingerprint):
                line = f"Customer session: group {group}, session fingerprint {fingerprint}"
            case events.CustomerAuthenticated(username):
                line = f"Customer {username} authenticated successfully."
            case events.CustomerRefused():
                line = "Authentication failed. Closing connection."
            case events.TaskFailed(task, error):
                line = f"{task} failed and is tried again: {error}"
            case events.TunnelCarried(number, merchant):
                line = f"{self._request(number)} tunnel to merchant {merchant} forwarded"
            case events.RequestForwarded(number, asked, answered):
                line = (
                    f"{self._request(number)} sealed request forwarded, {asked} bytes; "
                    f"answer {answered} bytes"
                )
            case events.AwaitingPayment(number, order, amount):
                who = self._request(number)
                self._remember(order, who)
                price = format_amount(amount, self._decimals)
                line = f"{who} awaiting payment Pay to deliver {price}"
            case events.OrderEvent(order):
                line = f"{self._order(order)} {_OUTCOMES[type(event)]}"
        return line

    def _request(self, number: bytes) -> str:
        known = self._names.get(number)
        if known is None:
            self._requests += 1
            known = f"R{self._requests}"
            self._remember(number, known)
        return known

    def _order(self, order: bytes) -> str:
        # After a restart nobody knows the request any more; the order's name is all there is.
        return self._names.get(order, f"Order {order.hex()[:8]}")

    def _remember(self, key: bytes, name: str) -> None:
        self._names[key] = name
        while len(self._names) > REMEMBERED_MAX:
            self._names.popitem(last=False)
