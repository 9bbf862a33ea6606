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


def _pattern(
    name: str, messages: str, *, ours: bool = False, theirs: bool = False
) -> HandshakePattern:
    """ours, theirs: whether the initiator's, the responder's static key is known beforehand."""
    return HandshakePattern(
        name, ours, theirs, tuple(tuple(m.split()) for m in messages.split(","))
    )


# veilmart itself speaks NN and NK, plain or with hfs. The others (sections 7.4 and 7.5) are there
# so that public vectors go through every part of the machine.
_PATTERNS = MappingProxyType(
    {
        pattern.name: pattern
        for pattern in (
            _pattern("NN", "e, e ee"),
            _pattern("NK", "e es, e ee", theirs=True),
            _pattern("NNhfs", "e e1, e ee ekem1"),
            _pattern("NKhfs", "e es e1, e ee ekem1", theirs=True),
            _pattern("N", "e es", theirs=True),
            _pattern("K", "e es ss", ours=True, theirs=True),
            _pattern("X", "e es s ss", theirs=True),
            _pattern("NX", "e, e ee s es"),
            _pattern("KN", "e, e ee se", ours=True),
            _pattern("KK", "e es ss, e ee se", ours=True, theirs=True),
            _pattern("KX", "e, e ee se s es", ours=True),
            _pattern("XN", "e, e ee, s se"),
            _pattern("XK", "e es, e ee, s se", theirs=True),
            _pattern("XX", "e, e ee s es, s se"),
            _pattern("IN", "e s, e ee se"),
            _pattern("IK", "e es s ss, e ee se", theirs=True),
            _pattern("IX", "e s, e ee se s es"),
        )
    }
)


def handshake_pattern(name: str) -> HandshakePattern:
    """Raises Misuse for a pattern that is not in the table."""
    pattern = _PATTERNS.get(name)
    if pattern is None:
        raise Misuse(f"There is no handshake pattern {name}.")
    return pattern
