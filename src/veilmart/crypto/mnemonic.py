"""A wallet's entropy as words: BIP-39 with its English list, 12 words for 16 bytes, 24 for 32.

The list and the bits are the library's; what was typed wrong is said in our own errors, which
name a position and never a word.
"""

import re
from functools import cache

from mnemonic import Mnemonic

from veilmart.characters import without_invisible
from veilmart.errors import Misuse, WordCountWrong, WordsMistyped, WordUnknown

WORD_COUNTS = (12, 24)
_ENTROPY_BYTES = (16, 32)
# As `wallet create` and the lists of a text editor number them.
_NUMBER = re.compile(r"^[0-9]{1,2}[.):]?")


def words_from_entropy(entropy: bytes) -> str:
    """12 words for 16 bytes, 24 for 32, with single spaces."""
    if len(entropy) not in _ENTROPY_BYTES:
        raise Misuse("A wallet's entropy has 16 or 32 bytes.")
    return _english().to_mnemonic(entropy)


def entropy_from_words(text: str) -> bytes:
    """16 or 32 bytes. Case, white space, numbers before words and commas behind do not matter.

    Raises WordCountWrong, WordUnknown (which says how manieth) or WordsMistyped (checksum).
    """
    typed = (_NUMBER.sub("", word) for word in without_invisible(text).lower().split())
    words = [word.rstrip(",;") for word in typed if word]
    if len(words) not in WORD_COUNTS:
        raise WordCountWrong(f"These are {len(words)}.")
    known = frozenset(_english().wordlist)
    unknown = [str(place) for place, word in enumerate(words, 1) if word not in known]
    if unknown:
        raise WordUnknown(f"It is number {', '.join(unknown)} of {len(words)}.")
    try:
        return bytes(_english().to_entropy(words))
    except ValueError:
        raise WordsMistyped() from None


@cache
def _english() -> Mnemonic:
    return Mnemonic("english")
