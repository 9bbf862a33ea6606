"""Effects that only the broker's rules have: slow work, done outside the event loop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from veilmart.crypto.blind_issuer import IssuerKey
from veilmart.protocol.effects import Effect


@dataclass(frozen=True, slots=True)
class HashPassword(Effect):
    """Answer: an Argon2id hash as text, with its own salt and parameters."""

    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class VerifyPassword(Effect):
    """Answer: whether `password` is the one behind `hashed`.

    None, for an unknown user, costs the same time and is never true.
    """

    hashed: str | None = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Examine(Effect):
    """Call a pure function that may take long, outside the event loop; its result is the answer."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class BlindSign(Effect):
    """Answer: a blind signature (256 bytes) for each blinded message of `blinded`.

    Some 0.8 ms each. Raises MalformedMessage.
    """

    key: IssuerKey = field(repr=False)
    blinded: tuple[bytes, ...] = field(repr=False)
