"""A key pair of a key agreement, a KEM or an ephemeral, as bytes."""

from collections.abc import Callable
from dataclasses import dataclass, field

RandomSource = Callable[[int], bytes]
"""n → n fresh unpredictable bytes; passed in, so that crypto/ stays pure."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """Lengths are those of the algorithm that made it. The private half is not in the repr.

    parsed: the library's form of the private half, where the algorithm has one. It is derived
    (expanding an ML-KEM seed takes longer than using it), and lives exactly as long as the pair.
    """

    private: bytes = field(repr=False)
    public: bytes
    parsed: object = field(default=None, repr=False, compare=False)
