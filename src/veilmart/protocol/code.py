"""Codes that people type: vouchers and invitations (docs/protocol/05-customer-broker.md, 5.7).

Sixteen random characters of Crockford's base32 (80 bits) and four check characters, in groups of
five, so a typing mistake is detected offline. The broker stores a hash only.
"""

from veilmart.characters import without_invisible
from veilmart.errors import CodeMistyped, Misuse
from veilmart.protocol import labels
from veilmart.protocol.encoding import labelled_hash
from veilmart.protocol.unicode_forms import normalize

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BYTES = 10
_DATA_CHARACTERS = 16
_CHECK_CHARACTERS = 4
_GROUP_CHARACTERS = 5
_READ_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
# Hyphens and dashes that word processors and PDFs make of "-".
_AS_HYPHEN = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")


def make_code(random: bytes) -> str:
    """A code from 10 fresh random bytes, as it is printed: XXXXX-XXXXX-XXXXX-XXXXX."""
    if len(random) != RANDOM_BYTES:
        raise Misuse("A code is made from 10 random bytes.")
    data = _characters(int.from_bytes(random, "big"), _DATA_CHARACTERS)
    return group(data + _check(data))


def group(code: str) -> str:
    """The 20 characters of a code with dashes between groups of five."""
    step = _GROUP_CHARACTERS
    return "-".join(code[start : start + step] for start in range(0, len(code), step))


def parse_code(text: str) -> str:
    """The 20 characters that were meant; case, spaces and dashes do not matter.

    Raises CodeMistyped.
    """
    typed = normalize("NFKC", without_invisible(text)).translate(_AS_HYPHEN)
    if not typed.isascii():
        raise CodeMistyped("It has 20 letters and digits.")
    compact = "".join(typed.split()).replace("-", "").upper().translate(_READ_AS)
    if len(compact) != _DATA_CHARACTERS + _CHECK_CHARACTERS or set(compact) - set(ALPHABET):
        raise CodeMistyped("It has 20 letters and digits.")
    if _check(compact[:_DATA_CHARACTERS]) != compact[_DATA_CHARACTERS:]:
        raise CodeMistyped
    return compact


def code_hash(code: str) -> bytes:
    """32 bytes that stand for a parsed code at the broker."""
    return labelled_hash(labels.CODE, code.encode())


def _check(data: str) -> str:
    digest = labelled_hash(labels.CODE_CHECK, data.encode())
    return _characters(int.from_bytes(digest[:3], "big") >> 4, _CHECK_CHARACTERS)


def _characters(number: int, count: int) -> str:
    return "".join(ALPHABET[(number >> 5 * place) & 31] for place in reversed(range(count)))
