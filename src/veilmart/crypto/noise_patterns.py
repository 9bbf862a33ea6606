"""Handshake patterns of the Noise Protocol Framework, revision 34, section 7, with `hfs`.

The `hfs` modifier (Noise extension "Hybrid Forward Secrecy", with the KEM tokens e1 and ekem1)
adds an ephemeral KEM exchange: e1 after the initiator's e and its DH tokens, ekem1 after ee.
"""

from dataclasses import dataclass
from types import MappingProxyType

from veilmart.errors import Misuse


@dataclass(frozen=True, slots=True)
class HandshakePattern:
    """Who is known beforehand, and the tokens of each message, the initiator's first."""

    name: str
    initiator_known: bool
    responder_known: bool
    messages: tuple[tuple[str, ...], ...]


_PATTERNS = MappingProxyType(
    {
        pattern.name: pattern
        for pattern in (
            HandshakePattern("NN", False, False, (("e",), ("e", "ee"))),
            HandshakePattern("NK", False, True, (("e", "es"), ("e", "ee"))),
            HandshakePattern("KK", True, True, (("e", "es", "ss"), ("e", "ee", "se"))),
            HandshakePattern("IK", False, True, (("e", "es", "s", "ss"), ("e", "ee", "se"))),
            HandshakePattern("NNhfs", False, False, (("e", "e1"), ("e", "ee", "ekem1"))),
            HandshakePattern("NKhfs", False, True, (("e", "es", "e1"), ("e", "ee", "ekem1"))),
        )
    }
)


def handshake_pattern(name: str) -> HandshakePattern:
    """Raises Misuse for a pattern that veilmart does not speak."""
    pattern = _PATTERNS.get(name)
    if pattern is None:
        raise Misuse(f"There is no handshake pattern {name}.")
    return pattern
