"""Text that people type, in the one form in which it is compared, stored or hashed.

Passwords and passphrases follow OpaqueString (RFC 8265, section 4.2): every space is U+0020, then
Normalization Form C. A keyboard that composes its letters another way gives the same password.
"""

import unicodedata

# RFC 8264, section 9: what a person cannot see or type again.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def one_form(text: str) -> str:
    """Normalization Form C, in which names and titles are stored and compared."""
    return unicodedata.normalize("NFC", text)


def opaque(text: str) -> str:
    """A password or passphrase as it is hashed. It may be refused by `is_opaque` all the same."""
    spaced = "".join(" " if unicodedata.category(c) == "Zs" else c for c in text)
    return one_form(spaced)


def is_opaque(text: str) -> bool:
    """Whether a new password may be this: nothing in it is invisible or unassigned."""
    return not any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in text)
