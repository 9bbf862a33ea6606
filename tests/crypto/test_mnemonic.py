"""Wallet words: known ones, round trips, and each way to mistype them."""

import traceback
from hashlib import sha256

import pytest
from hypothesis import given, strategies as st

from veilmart.crypto.mnemonic import entropy_from_words, words_from_entropy
from veilmart.errors import Misuse, WordCountWrong, WordsMistyped, WordUnknown

LEGAL = "legal winner thank year wave sausage worth useful legal winner thank yellow"
KNOWN = {
    bytes(16): "abandon " * 11 + "about",
    b"\x7f" * 16: LEGAL,
    b"\x80" * 16: (
        "letter advice cage absurd amount doctor acoustic avoid letter advice cage above"
    ),
    b"\xff" * 16: "zoo " * 11 + "wrong",
    bytes(32): "abandon " * 23 + "art",
    b"\xff" * 32: "zoo " * 23 + "vote",
}


@pytest.mark.parametrize("entropy", KNOWN, ids=bytes.hex)
def test_words_of_the_standard(entropy: bytes) -> None:
    assert words_from_entropy(entropy) == KNOWN[entropy]
    assert entropy_from_words(KNOWN[entropy]) == entropy


@given(st.binary(min_size=16, max_size=16) | st.binary(min_size=32, max_size=32))
def test_words_are_read_as_they_are_written(entropy: bytes) -> None:
    words = words_from_entropy(entropy)
    assert len(words.split()) == len(entropy) * 3 // 4
    for spelling in (words, words.upper(), f"\n {words.replace(' ', '   ')}\t", words.title()):
        assert entropy_from_words(spelling) == entropy


@pytest.mark.parametrize("length", [0, 1, 15, 17, 20, 24, 28, 31, 33, 64])
def test_other_lengths_of_entropy(length: int) -> None:
    with pytest.raises(Misuse):
        words_from_entropy(bytes(length))


@pytest.mark.parametrize("count", [0, 1, 11, 13, 15, 18, 21, 23, 25, 36, 100_000])
def test_other_numbers_of_words(count: int) -> None:
    with pytest.raises(WordCountWrong, match=str(count)):
        entropy_from_words("abandon " * count)


@pytest.mark.parametrize("place", [1, 7, 12])
@pytest.mark.parametrize(
    "word", ["winnner", "lega", "gewinner", "ünner", "1a", "aban,don", "a" * 99]
)
def test_a_word_that_is_not_on_the_list(place: int, word: str) -> None:
    words = LEGAL.split()
    words[place - 1] = word
    with pytest.raises(WordUnknown, match=f"number {place} of 12") as caught:
        entropy_from_words(" ".join(words))
    told = "".join(traceback.format_exception(caught.value))
    assert not {"thank", "sausage", *([word] if len(word) > 3 else [])} & set(told.split())


def test_several_words_that_are_not_on_the_list() -> None:
    with pytest.raises(WordUnknown, match="number 2, 12 of 12"):
        entropy_from_words(LEGAL.replace("winner thank year", "wimmer thank year")[:-6] + "yelow")


def test_another_word_of_the_list_or_another_order() -> None:
    words = LEGAL.split()
    swapped = [words[1], words[0], *words[2:]]
    with pytest.raises(WordsMistyped):
        entropy_from_words(" ".join(swapped))
    accepted = 0
    for last in ("able", "about", "above", "zoo", "year", "young", "you", "zone"):
        try:
            entropy_from_words(" ".join([*words[:-1], last]))
            accepted += 1
        except WordsMistyped:
            continue
    assert accepted < 4  # 4 bits of checksum: one in 16 by chance, and these are fixed


def test_the_checksum_is_of_the_entropy() -> None:
    # 23 words of zero, then every last word: 3 bits of entropy and 8 of checksum.
    entropy = bytes(31) + b"\x05"
    words = words_from_entropy(entropy)
    number = int.from_bytes(entropy + sha256(entropy).digest()[:1], "big")
    assert words.split()[:23] == ["abandon"] * 23
    assert number % 2048 == (5 << 8 | sha256(entropy).digest()[0])
    assert entropy_from_words(words) == entropy
