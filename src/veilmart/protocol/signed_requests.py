"""Requests of a merchant to a broker's operator, signed with its identity (page 5, section 8).

A signed request is signature (384, RSASSA-PSS) ‖ MessagePack body. It travels inside an ordinary
session with the broker, so an observer of the wire reads neither address nor amount.
"""

from typing import Annotated, TypeVar

from msgspec import Meta

from veilmart.crypto import identity
from veilmart.errors import ClocksDiffer, MalformedMessage, NotYourBroker
from veilmart.limits import NOTE_MAX_CHARACTERS, SIGNED_DESCRIPTOR_MAX_BYTES, SIGNED_REQUEST_SECONDS
from veilmart.protocol.descriptor import SIGNATURE_BYTES
from veilmart.protocol.encoding import Bytes16, Bytes32, Message, Natural, decode, encode
from veilmart.protocol.moments import format_moment

SIGNED_REQUEST_MAX_BYTES = SIGNED_DESCRIPTOR_MAX_BYTES + 1024
WITHDRAWAL_MAX_BYTES = SIGNATURE_BYTES + 1536
ADDRESS_MAX_CHARACTERS = 255

M = TypeVar("M", bound=Message)


class JoinRequest(Message, frozen=True):
    """address: host:port at which the broker reaches the merchant, empty if it dials."""

    broker: Bytes32
    address: Annotated[str, Meta(max_length=ADDRESS_MAX_CHARACTERS)]
    descriptor: Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]
    at: Natural


class WithdrawalRequest(Message, frozen=True):
    """id: 16 random bytes; a repeated request is noted once. amount: minor units."""

    broker: Bytes32
    merchant: Bytes32
    id: Bytes16
    amount: Natural
    note: Annotated[str, Meta(max_length=NOTE_MAX_CHARACTERS)]
    at: Natural


def sign_request(key: identity.IdentityKey, label: str, request: Message) -> bytes:
    """signature (384) ‖ body."""
    body = encode(request)
    return identity.sign_pss(key, label, body) + body


def read_request(kind: type[M], signed: bytes) -> M:
    """The request, not verified yet: it names the merchant. Raises MalformedMessage."""
    if len(signed) <= SIGNATURE_BYTES:
        raise MalformedMessage("A signed request is cut short.")
    return decode(kind, signed[SIGNATURE_BYTES:], SIGNED_REQUEST_MAX_BYTES)


def verify_request(spki: bytes, label: str, signed: bytes) -> None:
    """Raises SignatureInvalid."""
    identity.verify_pss(spki, label, signed[SIGNATURE_BYTES:], signed[:SIGNATURE_BYTES])


def check_recent(at: int, named: bytes, broker: bytes, now: int) -> None:
    """Raises NotYourBroker unless `named` is us, ClocksDiffer unless `at` is recent."""
    if named != broker:
        raise NotYourBroker
    if abs(now - at) > SIGNED_REQUEST_SECONDS:
        signed, here = format_moment(at), format_moment(now)
        raise ClocksDiffer(f"The request was signed at {signed}; the broker's clock says {here}.")
