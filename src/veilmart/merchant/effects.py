"""Effects of the merchant's rules besides database transactions."""

from dataclasses import dataclass, field

from veilmart.crypto.key_pair import KeyPair
from veilmart.crypto.suite import Suite
from veilmart.protocol.effects import Effect
from veilmart.protocol.encoding import Message
from veilmart.protocol.handshake import SessionKeys


@dataclass(frozen=True, slots=True)
class SealPiece(Effect[bytes]):
    """Read piece `index` of `root` and seal it for an order; the answer is the signed segment.

    size: of the padded product. content_key, signing_seed: 32 bytes each.
    piece: its bytes, if they are not in the store (a unique code).
    """

    root: bytes
    size: int
    index: int
    suite: Suite
    content_key: bytes = field(repr=False)
    signing_seed: bytes = field(repr=False)
    order: bytes
    piece: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class AnswerTunnel(Effect[tuple[bytes, SessionKeys]]):
    """Answer a customer's handshake: (message 2, keys).

    Expensive in one suite, so it waits for a turn.
    """

    suite: Suite
    prologue: bytes
    number: bytes
    message1: bytes
    static: KeyPair = field(repr=False)


@dataclass(frozen=True, slots=True)
class ReadPieceList(Effect[bytes]):
    """The piece list of a stored product (32 bytes per piece)."""

    root: bytes


@dataclass(frozen=True, slots=True)
class ReadPiece(Effect[bytes]):
    """Piece `index` of a stored product of `size` bytes, as it lies in the store."""

    root: bytes
    size: int
    index: int


@dataclass(frozen=True)
class Reply:
    """A rule's answer inside a session: message, its least number of cells, attached bytes."""

    message: Message
    cells: int
    attachment: bytes | None = None
