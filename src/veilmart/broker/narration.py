"""Events as lines of text: a few by default, all of them with --narrate.

Customers are told apart as R1, R2, ... in the order in which their request numbers were first
seen; the names live in this process's memory alone.
"""

from collections import OrderedDict
from collections.abc import Callable

from veilmart.broker import events
from veilmart.protocol.accounting import format_amount

REMEMBERED_MAX = 10_000
QUIET = (
    events.Listening,
    events.MerchantAuthenticated,
    events.MerchantLost,
    events.CustomerAuthenticated,
    events.CustomerRefused,
    events.Trouble,
)


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
            self._write(self._line(event))

    def _line(self, event: events.Event) -> str:
        match event:
            case events.Listening(host, port):
                return f"Broker listening on {host}:{port}"
            case events.MerchantAuthenticated(name, group, fingerprint):
                line = f"Merchant {name} authenticated successfully."
                detail = f" Group {group}, session fingerprint {fingerprint}"
                return line + detail if self._narrate else line
            case events.MerchantLost(name, reason):
                return f"Merchant {name} cannot be reached: {reason}"
            case events.CustomerSession(group, fingerprint):
                return f"Customer session: group {group}, session fingerprint {fingerprint}"
            case events.CustomerAuthenticated(username):
                return f"Customer {username} authenticated successfully."
            case events.CustomerRefused():
                return "Authentication failed. Closing connection."
            case events.Trouble(task, error):
                return f"{task} failed and is tried again: {error}"
        return self._order_line(event)

    def _order_line(self, event: events.Event) -> str:
        match event:
            case events.TunnelCarried(number, merchant):
                return f"{self._request(number)} tunnel to merchant {merchant} forwarded"
            case events.RequestForwarded(number, asked, answered):
                who = self._request(number)
                return f"{who} sealed request forwarded, {asked} bytes; answer {answered} bytes"
            case events.AwaitingPayment(number, order, amount):
                who = self._request(number)
                self._remember(order, who)
                price = format_amount(amount, self._decimals)
                return f"{who} awaiting payment Pay to deliver {price}"
            case events.PaymentHeld(order):
                return f"{self._order(order)} Payment Status - True"
            case events.PaymentLapsed(order):
                return f"{self._order(order)} Payment Status - False"
            case events.KeyReleased(order):
                return f"{self._order(order)} key released"
            case events.OrderSettled(order):
                return f"{self._order(order)} Transaction Done"
            case events.OrderRefunded(order):
                return f"{self._order(order)} refunded"
        return type(event).__name__

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
