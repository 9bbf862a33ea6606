"""Codes that people type: printed, read back, and mistyped."""

import pytest
from hypothesis import given, strategies as st

from veilmart.errors import CodeMistyped, Misuse
from veilmart.protocol.code import ALPHABET, code_hash, group, make_code, parse_code

CODE = make_code(bytes(range(10)))


def test_a_code_is_four_groups_of_five() -> None:
    assert [len(part) for part in CODE.split("-")] == [5, 5, 5, 5]
    assert group(parse_code(CODE)) == CODE
    # 0x00010203040506070809 in base32, five bits at a time, by hand.
    assert parse_code(CODE)[:16] == "000G40R40M30E209"


@given(st.binary(min_size=10, max_size=10))
def test_a_code_is_read_however_it_is_written(random: bytes) -> None:
    code = make_code(random)
    known = parse_code(code)
    written = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert parse_code(f" {written}\n") == known
    assert len(code_hash(known)) == 32


def test_a_voucher_mistyped_is_found_without_asking_anybody() -> None:
    """One wrong character is always found but for one chance in a million; so are two swapped."""
    compact = parse_code(CODE)
    for place in range(len(compact)):
        for other in ALPHABET:
            if other != compact[place]:
                with pytest.raises(CodeMistyped):
                    parse_code(compact[:place] + other + compact[place + 1 :])
        swapped = list(compact)
        swapped[place - 1], swapped[place] = swapped[place], swapped[place - 1]
        if "".join(swapped) != compact:
            with pytest.raises(CodeMistyped):
                parse_code("".join(swapped))


@pytest.mark.parametrize("text", ["", "x", CODE[:-1], CODE + "0", CODE.replace("0", "U"), "é" * 20])
def test_what_has_no_form_of_a_code(text: str) -> None:
    with pytest.raises(CodeMistyped):
        parse_code(text)


def test_a_code_needs_ten_random_bytes() -> None:
    for count in (0, 9, 11):
        with pytest.raises(Misuse):
            make_code(bytes(count))
