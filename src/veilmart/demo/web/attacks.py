"""Four attacks on the way between customer and broker, played for real against a purchase.

Each one broke the plain design that exchanges keys without saying whose they are, encrypts from a
fixed start and checks a file with a hash that anybody can make. Each says why it fails here, and
where that is to be seen.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from veilmart.crypto import identity
from veilmart.demo.web.watched_client import Attack, Send
from veilmart.limits import CELL_BYTES
from veilmart.protocol.descriptor import read_descriptor, sign_descriptor
from veilmart.protocol.tunnel import RECORD_OVERHEAD_BYTES

DESCRIPTOR = "/v1/descriptor"
REQUEST = "/v1/request"
CHANGED_FROM_END = 100


def has_goods(answer: bytes) -> bool:
    """Whether a segment follows the sealed cells: all that an attacker can tell from outside."""
    return (len(answer) - RECORD_OVERHEAD_BYTES) % CELL_BYTES != 0


class Mitm:
    """Shows the customer a broker with the attacker's own keys."""

    name = "mitm"
    title = "a man in the middle"
    hole = (
        "It agreed on keys with an unknown peer. A man in the middle read and changed everything."
    )
    why = (
        "The link pins the broker's fingerprint. A descriptor under another identity is refused "
        "before anything secret is sent, and the handshake needs the key that the right one names."
    )

    look = (
        "The customer stops at the first message: the fingerprint shown is not the pinned one. "
        "Broker and merchant have no order."
    )

    def __init__(self) -> None:
        self._identity = identity.generate_identity()

    async def exchange(self, send: Send, path: str, body: bytes | None) -> tuple[bytes, str]:
        answer = await send(path, body)
        if path != DESCRIPTOR:
            return answer, ""
        real = read_descriptor(answer).descriptor
        mine = replace(real, identity=identity.public_spki(self._identity))
        return sign_descriptor(mine, self._identity), "descriptor replaced by the attacker's own"


class Replay:
    """Sends every request twice, and once gives an old answer for a new one."""

    name = "replay"
    title = "messages sent again"
    hole = "It took a recorded message again: one payment was booked twice."
    why = (
        "Every request that moves money carries an operation id of its order, so the same one is "
        "answered from the books and moves nothing. An answer is bound to its own request, so an "
        "old one does not open."
    )

    look = (
        "Every request goes to the broker twice and is answered twice, sealed anew. The broker has "
        "one payment, the merchant one sale. The old answer does not open; the customer asks again."
    )

    def __init__(self) -> None:
        self._old = b""
        self._goods_came = False

    async def exchange(self, send: Send, path: str, body: bytes | None) -> tuple[bytes, str]:
        answer = await send(path, body)
        if path != REQUEST:
            return answer, ""
        if self._goods_came and self._old:
            # The request after the goods asks for the key: an old answer stands in its way once.
            old, self._old = self._old, b""
            return old, "an old answer in place of the new one"
        self._goods_came = has_goods(answer)
        self._old = self._old or answer
        again = await send(path, body)
        same = "alike" if again == answer else "anew"
        return answer, f"sent twice; the second answer is sealed {same}"


class Reflect:
    """Gives the customer its own message back as the answer."""

    name = "reflect"
    title = "one's own message as the answer"
    hole = (
        "It had one key for both directions: one's own message came back and passed as an answer."
    )
    why = "Each direction has keys of its own, so one's own message does not open as an answer."

    look = "The customer's message comes back in place of the answer, and does not open."

    def __init__(self) -> None:
        self._done = False

    async def exchange(self, send: Send, path: str, body: bytes | None) -> tuple[bytes, str]:
        if path != REQUEST or body is None or self._done:
            return await send(path, body), ""
        self._done = True
        return body, "its own message back"


class SwapFile:
    """Changes the goods on the way."""

    name = "swap-file"
    title = "goods changed on the way"
    hole = "It checked the file with a hash that came the same way: both could be replaced."
    why = (
        "Every segment is signed by the merchant and compared with the piece list of the offer "
        "that was paid for. A changed one is fetched again, and the key is asked for only when all "
        "are right."
    )

    look = (
        "One bit of the sealed goods is turned. The customer notices before it asks for the key, "
        "and fetches that segment again."
    )

    def __init__(self) -> None:
        self._done = False

    async def exchange(self, send: Send, path: str, body: bytes | None) -> tuple[bytes, str]:
        answer = await send(path, body)
        if path != REQUEST or self._done or not has_goods(answer):
            return answer, ""
        self._done = True
        changed = bytearray(answer)
        changed[-CHANGED_FROM_END] ^= 1
        return bytes(changed), "one bit of the goods changed"


ATTACKS: Mapping[str, Callable[[], Attack]] = {
    "mitm": Mitm,
    "replay": Replay,
    "reflect": Reflect,
    "swap-file": SwapFile,
}
