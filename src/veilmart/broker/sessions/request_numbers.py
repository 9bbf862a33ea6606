"""Request numbers: the only name under which a merchant knows a customer (protocol 5.3).

A number is 16 random bytes, handed out inside one session, good for that session only, and bound
to the first merchant it is used with. The opening request of a tunnel may be sent again and gets
the same answer; another opening under a used number is refused, so that a replayed or forged one
cannot replace a customer's tunnel.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from veilmart.errors import ServerBusy, UnknownRequestNumber
from veilmart.protocol.customer_messages import Open, Opened
from veilmart.protocol.encoding import encode
from veilmart.protocol.ports import Random

NUMBER_BYTES = 16
NUMBERS_PER_SESSION_MAX = 64


@dataclass(slots=True)
class Number:
    """merchant: 32 bytes. opening: SHA-256 of the opening request."""

    merchant: bytes | None = None
    opening: bytes | None = None
    answer: Opened | None = None


class RequestNumbers:
    """The numbers of one session; the oldest is forgotten when there are too many."""

    def __init__(self) -> None:
        self._numbers: OrderedDict[bytes, Number] = OrderedDict()
        self._last_opened: Number | None = None

    def items(self) -> list[tuple[bytes, Number]]:
        """All numbers with what is known of them, oldest first."""
        return list(self._numbers.items())

    def take_over(self, numbers: list[tuple[bytes, Number]]) -> None:
        """Replace everything by what another worker has written down."""
        self._numbers = OrderedDict(numbers)
        answered = [number for _, number in numbers if number.answer is not None]
        self._last_opened = answered[-1] if answered else None

    def hand_out(self, random: Random) -> bytes:
        """A fresh number (16 bytes)."""
        number = random(NUMBER_BYTES)
        self._numbers[number] = Number()
        while len(self._numbers) > NUMBERS_PER_SESSION_MAX:
            self._numbers.popitem(last=False)
        return number

    def begin_open(self, request: Open) -> Opened | None:
        """Bind the number to its merchant; the stored answer if this opening was answered before.

        Raises UnknownRequestNumber, or ServerBusy while the same number is being opened.
        """
        entry, opening = self._numbers.get(request.request_number), _hash(request)
        if entry is None or entry.merchant not in (None, request.merchant):
            raise UnknownRequestNumber
        if entry.answer is not None and entry.opening == opening:
            return entry.answer
        if entry.opening is not None:
            raise (
                ServerBusy
                if entry.answer is None and entry.opening == opening
                else (UnknownRequestNumber)
            )
        entry.merchant, entry.opening = request.merchant, opening
        return None

    def finish_open(self, request: Open, answer: Opened | None) -> None:
        """The merchant answered, or (None) failed: then the number may be opened again."""
        entry = self._numbers.get(request.request_number)
        if entry is None or entry.opening != _hash(request):
            return
        if answer is None:
            entry.opening = None
            return
        entry.answer = answer
        # Only the newest answer may still be on its way; older ones need not be kept.
        if self._last_opened is not None and self._last_opened is not entry:
            self._last_opened.answer = None
        self._last_opened = entry

    def merchant_of(self, number: bytes) -> bytes:
        """The merchant (fingerprint) at the tunnel's other end. Raises UnknownRequestNumber."""
        entry = self._numbers.get(number)
        if entry is None or entry.merchant is None or entry.opening is None:
            raise UnknownRequestNumber
        return entry.merchant


def _hash(request: Open) -> bytes:
    return hashlib.sha256(encode(request)).digest()
