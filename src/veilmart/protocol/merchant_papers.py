"""What a merchant asks of a broker's operator, signed with its identity (page 5, section 8).

A signed paper is signature (384, RSASSA-PSS) ‖ MessagePack body. It travels inside an ordinary
session with the broker, so nobody on the wire reads an address or an amount.
"""

from typing import Annotated, TypeVar

from msgspec import Meta

from veilmart.crypto import identity
from veilmart.errors import MalformedMessage, NotYourBroker
from veilmart.limits import NOTE_MAX_CHARACTERS, SIGNED_DESCRIPTOR_MAX_BYTES, SIGNED_REQUEST_SECONDS
from veilmart.protocol.descriptor import SIGNATURE_BYTES
from veilmart.protocol.encoding import Bytes16, Bytes32, Message, Natural, decode, encode

PAPER_MAX_BYTES = SIGNED_DESCRIPTOR_MAX_BYTES + 1024
WITHDRAWAL_MAX_BYTES = SIGNATURE_BYTES + 1536
ADDRESS_MAX_CHARACTERS = 255

M = TypeVar("M", bound=Message)


class JoinPaper(Message, frozen=True):
    """address: host:port at which the broker reaches the merchant, empty if it dials."""

    broker: Bytes32
    address: Annotated[str, Meta(max_length=ADDRESS_MAX_CHARACTERS)]
    descriptor: Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]
    at: Natural


class WithdrawalPaper(Message, frozen=True):
    """id: 16 random bytes; the same paper sent again asks once. amount: minor units."""

    broker: Bytes32
    merchant: Bytes32
    id: Bytes16
    amount: Natural
    note: Annotated[str, Meta(max_length=NOTE_MAX_CHARACTERS)]
    at: Natural


def sign_paper(key: identity.IdentityKey, label: str, paper: Message) -> bytes:
    """signature (384) ‖ body."""
    body = encode(paper)
    return identity.sign_pss(key, label, body) + body


def read_paper(kind: type[M], signed: bytes) -> M:
    """The paper, not verified yet: it names whose key that takes. Raises MalformedMessage."""
    if len(signed) <= SIGNATURE_BYTES:
        raise MalformedMessage("A signed paper is cut short.")
    return decode(kind, signed[SIGNATURE_BYTES:], PAPER_MAX_BYTES)


def verify_paper(spki: bytes, label: str, signed: bytes) -> None:
    """Raises SignatureInvalid."""
    identity.verify_pss(spki, label, signed[SIGNATURE_BYTES:], signed[:SIGNATURE_BYTES])


def check_recent(at: int, named: bytes, broker: bytes, now: int) -> None:
    """A signed paper is for us and of the last minutes. Raises NotYourBroker, MalformedMessage."""
    if named != broker:
        raise NotYourBroker
    if abs(now - at) > SIGNED_REQUEST_SECONDS:
        raise MalformedMessage("A signed request is not recent; is the clock right?")
