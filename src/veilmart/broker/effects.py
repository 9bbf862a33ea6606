"""Effects that only the broker's rules have: slow work, and questions to merchants."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from veilmart.crypto.blind_issuer import IssuerKey
from veilmart.protocol.effects import Effect
from veilmart.protocol.encoding import Message
from veilmart.protocol.link_messages import MerchantRequest

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class HashPassword(Effect[str]):
    """Answer: an Argon2id hash as text, with its own salt and parameters."""

    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifyPassword(Effect[bool]):
    """Answer: whether `password` is the one behind `hashed`.

    None, for an unknown user, costs the same time and is never true.
    """

    hashed: str | None = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Examine(Effect[T]):
    """Call a pure function that may take long, outside the event loop. Made by `examine`."""

    function: Callable[..., T]
    args: tuple[object, ...] = field(default=(), repr=False)


def examine(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Examine[T]:
    """The effect that calls `function(*args, **kwargs)`; its result is the answer."""
    return Examine(partial(function, **kwargs) if kwargs else function, args)


@dataclass(frozen=True, slots=True)
class Look(Effect[T]):
    """Call a reading, however long, in a snapshot of its own beside the writer. Made by `look`."""

    function: Callable[..., T]
    args: tuple[object, ...] = field(default=(), repr=False)


def look(
    function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> Look[T]:
    """The effect that calls `function(connection, ...)`; its result is the answer."""
    return Look(partial(function, **kwargs) if kwargs else function, args)


@dataclass(frozen=True, slots=True)
class BlindSign(Effect[list[bytes]]):
    """Answer: a blind signature (256 bytes) for each blinded message of `blinded`.

    Some 0.8 ms each. Raises MalformedMessage.
    """

    key: IssuerKey = field(repr=False)
    blinded: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Forward(Effect[tuple[T, memoryview]]):
    """Send `message` to the merchant with fingerprint `merchant` (32 bytes).

    Answer: the merchant's, of `kind`, and the bytes that follow it. within: seconds to wait for it
    before it counts as unreachable, None for as long as any request may take.
    """

    merchant: bytes
    message: MerchantRequest
    kind: type[T]
    within: float | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """attachment: bytes that are sealed already. natural: as many cells as the message needs."""

    message: Message
    attachment: bytes | memoryview | None = None
    natural: bool = False
