"""Which code points the protocol allows in names (docs/protocol/01-notation.md, 1.7).

A table of its own: what Python calls printable grows with each version of Unicode, and two
programs that disagree about a name would disagree about who is at fault in a dispute.
"""

import re

# First and last code point of each range that is refused.
REFUSED = (
    (0x0000, 0x001F),
    (0x007F, 0x00A0),
    (0x00AD, 0x00AD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x1680, 0x1680),
    (0x180E, 0x180E),
    (0x2000, 0x200F),
    (0x2028, 0x202F),
    (0x205F, 0x206F),
    (0x3000, 0x3000),
    (0xD800, 0xF8FF),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
    (0xF0000, 0x10FFFF),
)
# Controls, surrogates, line separators, and what turns the direction of writing: never shown.
UNSEEN = (
    (0x0000, 0x001F),
    (0x007F, 0x009F),
    (0x061C, 0x061C),
    (0x200E, 0x200F),
    (0x2028, 0x202E),
    (0x2066, 0x2069),
    (0xD800, 0xDFFF),
)
# Space separators other than U+0020, and format characters, of Unicode 16.
SPACES = (
    (0x00A0, 0x00A0),
    (0x1680, 0x1680),
    (0x2000, 0x200A),
    (0x202F, 0x202F),
    (0x205F, 0x205F),
    (0x3000, 0x3000),
)
FORMAT = (
    (0x00AD, 0x00AD),
    (0x0600, 0x0605),
    (0x061C, 0x061C),
    (0x06DD, 0x06DD),
    (0x070F, 0x070F),
    (0x0890, 0x0891),
    (0x08E2, 0x08E2),
    (0x180E, 0x180E),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x2064),
    (0x2066, 0x206F),
    (0xFEFF, 0xFEFF),
    (0xFFF9, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0001, 0xE0001),
    (0xE0020, 0xE007F),
)

# Of those, what carries nothing wherever it stands; and the joiners, which some scripts write with.
EMPTY = (
    (0x00AD, 0x00AD),
    (0x180E, 0x180E),
    (0x200B, 0x200B),
    (0x2060, 0x2064),
    (0xFEFF, 0xFEFF),
)
JOINERS = (0x200C, 0x200D)


def _any_of(ranges: tuple[tuple[int, int], ...]) -> re.Pattern[str]:
    return re.compile("[" + "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges) + "]")


_REFUSED = _any_of(REFUSED)
_UNSEEN = _any_of(UNSEEN)
_SPACES = _any_of(SPACES)
_FORMAT = _any_of(FORMAT)
_EMPTY = _any_of(EMPTY)
_EMPTY_OR_JOINER = _any_of((*EMPTY, JOINERS))


def is_plain(text: str) -> bool:
    """Whether every code point of `text` is one that page 1.7 allows."""
    return _REFUSED.search(text) is None


def without_refused(text: str) -> str:
    """`text` with a space for each code point that page 1.7 refuses."""
    return _REFUSED.sub(" ", text)


def has_unseen(text: str) -> bool:
    """Whether `text` has a control, surrogate, line separator or direction character."""
    return _UNSEEN.search(text) is not None


def without_unseen(text: str) -> str:
    """`text` without those that `has_unseen` finds."""
    return _UNSEEN.sub("", text)


def plain_spaces(text: str) -> str:
    """`text` with U+0020 for every other space."""
    return _SPACES.sub(" ", text)


def without_empty(text: str, *, joiners: bool) -> str:
    """`text` with U+0020 for every space, without soft hyphens, zero-width spaces and the like.

    joiners: keep those that only join or part letters.
    """
    return (_EMPTY if joiners else _EMPTY_OR_JOINER).sub("", plain_spaces(text))


def without_invisible(text: str) -> str:
    """Typed or pasted `text` with U+0020 for every space and no format characters.

    Format characters are, for example, byte order marks, zero-width spaces and soft hyphens.
    """
    return _FORMAT.sub("", plain_spaces(text))
