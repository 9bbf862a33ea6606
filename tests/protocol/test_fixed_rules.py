"""Rules on a peer's bytes say the same in every version of Python and of its libraries."""

import re
import unicodedata
from pathlib import Path
from struct import pack
from typing import Literal
from unicodedata import category

import msgspec
import pytest
from hypothesis import given, strategies as st

from tests.protocol.protocol_samples import descriptor
from veilmart.characters import REFUSED, is_plain
from veilmart.crypto.identity import IdentityKey, sign_pss
from veilmart.crypto.padding import pack_product, parse_prefix
from veilmart.errors import CodeMistyped, MalformedMessage
from veilmart.protocol import labels
from veilmart.protocol.code import make_code, parse_code
from veilmart.protocol.customer_messages import Pay
from veilmart.protocol.descriptor import read_descriptor, sign_descriptor
from veilmart.protocol.encoding import decode, encode
from veilmart.protocol.name_key import name_key
from veilmart.protocol.typed_text import is_opaque, opaque
from veilmart.protocol.unicode_forms import all_assigned, fold_case, normalize
from veilmart.protocol.unique_keys import check_unique_keys

ROOT = Path(__file__).parents[2]
# Assigned in Unicode 15 and 16: Python 3.11 knows none of them, Python 3.13 knows them all.
NEWER = ("\u0cf3", "\U00011f00", "\U0001fadc", "\U0001e4d0")
# Never assigned so far.
UNASSIGNED = ("\u0378", "\U0003fff0")


@pytest.mark.parametrize("character", [*NEWER, *UNASSIGNED])
def test_a_name_with_characters_of_another_unicode_is_fine(character: str) -> None:
    prefix = pack_product(bytes(32), f"report {character}.txt", 5)
    assert parse_prefix(prefix)[0] == f"report {character}.txt"


@pytest.mark.parametrize("character", NEWER)
def test_a_descriptor_with_characters_of_another_unicode_is_read(
    merchant_identity: IdentityKey, character: str
) -> None:
    made = descriptor(merchant_identity, name=f"Shop {character}")
    assert read_descriptor(sign_descriptor(made, merchant_identity)).descriptor == made


def test_the_table_is_the_one_of_the_page() -> None:
    page = (ROOT / "docs/protocol/01-notation.md").read_text().partition("## 1.7")[2]
    found = re.findall(r"\b([0-9A-F]{4,6})-([0-9A-F]{4,6})\b", page)
    assert tuple((int(first, 16), int(last, 16)) for first, last in found) == REFUSED


def test_the_table_has_every_control_format_and_separator_that_this_python_knows() -> None:
    for number in range(0x110000):
        if category(chr(number)) in {"Cc", "Cf", "Co", "Cs", "Zl", "Zp", "Zs"} and number != 0x20:
            assert not is_plain(chr(number)), hex(number)


ASSIGNED_LATER = "\U0001ccd6"  # since Unicode 16, which gives it the NFKC form "A"


@pytest.fixture
def newer_python(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's tables as of Unicode 16, as far as ASSIGNED_LATER is concerned."""
    known = unicodedata.normalize

    def newer(form: Literal["NFC", "NFKC"], text: str) -> str:
        return known(form, text.replace(ASSIGNED_LATER, "A") if form == "NFKC" else text)

    monkeypatch.setattr(unicodedata, "normalize", newer)


@pytest.mark.usefixtures("newer_python")
def test_a_newer_unicode_changes_no_name_code_or_password() -> None:
    assert unicodedata.normalize("NFKC", ASSIGNED_LATER) == "A"
    assert name_key(f"{ASSIGNED_LATER}NNA") == f"{ASSIGNED_LATER}nna"
    code = make_code(bytes(10))
    with pytest.raises(CodeMistyped):
        parse_code(ASSIGNED_LATER + code[1:])
    assert not is_opaque(f"password{ASSIGNED_LATER}")
    assert opaque(f"e\u0301{ASSIGNED_LATER}\u00a0") == f"\u00e9{ASSIGNED_LATER} "


def test_the_forms_of_assigned_code_points_are_those_of_this_python() -> None:
    """Unicode never changes the forms of an assigned code point, so later versions agree too."""
    for character in filter(all_assigned, map(chr, range(0x110000))):
        assert category(character) != "Cn", hex(ord(character))
        assert normalize("NFC", character) == unicodedata.normalize("NFC", character)
        assert normalize("NFKC", character) == unicodedata.normalize("NFKC", character)
        assert fold_case(character) == character.casefold()


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cn"])))
def test_a_text_of_assigned_code_points_has_the_forms_of_this_python(text: str) -> None:
    if all_assigned(text):
        assert normalize("NFKC", text) == unicodedata.normalize("NFKC", text)
        assert fold_case(text) == text.casefold()


def test_no_rule_asks_python_what_is_printable() -> None:
    """Only the module that fixes a version reads Python's tables, which grow with Unicode."""
    grown = re.compile(r"\.isprintable\(|import unicodedata|unicodedata import (?!ucd_3_2_0)")
    sources = [path for path in sorted((ROOT / "src").rglob("*.py")) if "demo" not in path.parts]
    found = {path.name for path in sources if grown.search(path.read_text())}
    assert found == {"unicode_forms.py"}


# What reads or judges a peer's bytes, and what of Python differs with its version or its locale.
JUDGES = (
    "characters.py", "crypto", "protocol", "errors", "transport", "storage/files",
    "broker/disputes", "customer/disputes", "customer/trust", "customer/purchase",
)  # fmt: skip
CHANGING = re.compile(
    r"\.(casefold|isalpha|isalnum|isspace|isnumeric|isdecimal|isidentifier|title|swapcase)\("
    r"|strptime|fromisoformat|import locale|json\.dumps|\\[wdsWDS]|re\.(IGNORECASE|UNICODE|I|U)\b"
    r"|\bfloat\(|\.isdigit\("
)
# `isdigit` of bytes, or of what is ASCII.
ASCII_DIGITS = {"accounting.py", "signed_chains.py", "body.py"}


def test_no_rule_on_a_peers_bytes_uses_what_changes_with_the_interpreter() -> None:
    root = ROOT / "src/veilmart"
    sources = [
        path
        for place in JUDGES
        for path in ([root / place] if place.endswith(".py") else sorted((root / place).rglob("*")))
        if path.suffix == ".py"
    ]
    assert len(sources) > 80
    found = {path.name: CHANGING.findall(path.read_text()) for path in sources}
    assert {name for name, uses in found.items() if uses} == ASCII_DIGITS


@pytest.mark.parametrize("number", [5.0, 5.5, True, "5", b"5", None])
def test_only_an_integer_is_one(number: object) -> None:
    """A float without a fraction is none: whether it were would be the library's choice."""
    body = encode({"operation": bytes(16), "order": bytes(32), "amount": number})
    with pytest.raises(MalformedMessage):
        decode(Pay, body, 1000)


def _twice(body: bytes, name: str, value: object) -> bytes:
    """A map of fewer than 65,535 fields with one more, which it has already."""
    assert 0x80 <= body[0] <= 0x8F or body[0] == 0xDE
    count = body[0] & 0x0F if body[0] <= 0x8F else int.from_bytes(body[1:3], "big")
    rest = body[1:] if body[0] <= 0x8F else body[3:]
    return b"\xde" + pack(">H", count + 1) + rest + encode(name) + encode(value)


def test_a_signed_descriptor_with_a_key_twice_is_refused(merchant_identity: IdentityKey) -> None:
    body = _twice(encode(descriptor(merchant_identity)), "decimals", 2)
    signed = sign_pss(merchant_identity, labels.DESCRIPTOR, body) + body
    with pytest.raises(MalformedMessage):
        read_descriptor(signed)


@pytest.mark.parametrize("length", [b"\xa5", b"\xd9\x05", b"\xda\0\x05", b"\xdb\0\0\0\x05"])
def test_a_key_is_the_same_however_its_length_is_written(length: bytes) -> None:
    body = encode(Pay(operation=bytes(16), order=bytes(32), amount=5))
    doubled = bytes([body[0] + 1]) + body[1:] + length + b"order" + encode(bytes(32))
    with pytest.raises(MalformedMessage):
        decode(Pay, doubled, 1000)


def test_integers_of_any_width_are_read_still() -> None:
    class Numbered(msgspec.Struct):
        number: int

    for form in (b"\x05", b"\xcc\x05", b"\xcd\0\x05", b"\xcf" + bytes(7) + b"\x05"):
        assert decode(Numbered, b"\x81" + encode("number") + form, 100).number == 5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.binary() | st.text()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


@given(VALUES)
def test_what_has_no_key_twice_is_let_through(value: object) -> None:
    check_unique_keys(encode(value))


@given(VALUES, st.text(), VALUES)
def test_a_key_twice_is_found_wherever_it_stands(value: object, key: str, other: object) -> None:
    pair = b"\x82" + encode(key) + encode(other) + encode(key) + encode(other)
    for data in (pair, b"\x92" + encode(value) + pair, b"\x81" + encode("outer") + pair):
        with pytest.raises(MalformedMessage):
            check_unique_keys(data)


def test_deep_nesting_costs_no_stack() -> None:
    check_unique_keys(b"\x91" * 60_000 + b"\xc0")
