"""Text that people type, in the one form in which it is compared, stored or hashed.

Passwords and passphrases follow OpaqueString (RFC 8265, section 4.2): every space is U+0020, then
Normalization Form C. A keyboard that composes its letters another way gives the same password.
"""

from veilmart.characters import is_plain, plain_spaces, without_empty, without_invisible
from veilmart.protocol.unicode_forms import all_assigned, fold_case, normalize


def one_form(text: str) -> str:
    """Normalization Form C, in which names and titles are stored and compared."""
    return normalize("NFC", text)


def shown_text(text: str) -> str:
    """Text for people as it is stored: one form, without what only pasting leaves in it."""
    return one_form(without_empty(text, joiners=True)).strip()


def name_of_file(name: str) -> str:
    """A file's name as it is sold: one form, in characters that page 1.7 allows in names."""
    return one_form(without_empty(name, joiners=False))


def sought(text: str) -> str:
    """Text as it is looked for and looked through: in any case, without what cannot be seen."""
    if text.isascii():
        return text.lower().strip()
    return one_form(fold_case(one_form(without_invisible(text)))).strip()


def opaque(text: str) -> str:
    """A password or passphrase in the form that is hashed. `is_opaque` may still refuse it."""
    return one_form(plain_spaces(text))


def is_opaque(text: str) -> bool:
    """Whether a new password may be this: nothing in it is invisible, unassigned or private.

    RFC 8264, section 9, with the tables of page 1.7 and Unicode 14.0.
    """
    return is_plain(plain_spaces(text)) and all_assigned(text)
