"""Text in one form: names that look the same, passwords, codes, words and links as people paste."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from veilmart.crypto.mnemonic import entropy_from_words, words_from_entropy
from veilmart.customer.connection.credentials import check_password
from veilmart.customer.wallet.seed_file import open_entropy, read_sealed, seal_entropy
from veilmart.errors import BadArgument, CodeMistyped, WeakPassword, WordUnknown
from veilmart.merchant.sales.codes import read_codes
from veilmart.merchant.stocking.shop_folder import code_lines, read_folder
from veilmart.protocol.address import parse_link
from veilmart.protocol.code import make_code, parse_code
from veilmart.protocol.name_key import name_key
from veilmart.protocol.typed_text import opaque

BOM, NBSP, ZERO_WIDTH, SOFT_HYPHEN = "\ufeff", "\u00a0", "\u200b", "\u00ad"
ENTROPY = bytes(range(16))


@pytest.mark.parametrize(
    "other",
    [
        "ANNA",
        "Anna",
        "\u0430nna",  # Cyrillic a
        "\u0410nna",  # its capital
        "\uff41nna",  # full width
        "ann\u0251",  # Latin alpha
    ],
)
def test_names_that_look_the_same_have_one_key(other: str) -> None:
    assert name_key(other) == name_key("anna") == "anna"


def test_other_names_keep_keys_of_their_own() -> None:
    names = ["anna", "anni", "anna1", "annal", "ännä", "\u0436\u0443\u043a", "李", "straße", "o0"]
    assert len({name_key(name) for name in names}) == len(names)
    assert name_key("cafe\u0301") == name_key("caf\u00e9")
    assert name_key("STRASSE") == name_key("straße")


def test_a_password_is_the_same_however_its_letters_were_composed() -> None:
    assert opaque("cafe\u0301 x") == opaque(f"caf\u00e9{NBSP}x") == "caf\u00e9 x"
    with pytest.raises(WeakPassword):
        check_password(f"password{ZERO_WIDTH}")
    check_password("pässwörd x")


def test_a_wallet_opens_with_its_passphrase_in_either_form_and_old_files_still_do() -> None:
    composed, split = "pässe par tout", unicodedata.normalize("NFD", "pässe par tout")
    for given in (composed, split):
        sealed = read_sealed(seal_entropy(ENTROPY, given, bytes))
        assert open_entropy(sealed, composed) == open_entropy(sealed, split) == ENTROPY


@pytest.mark.parametrize("paste", ["{}", f"{BOM}{{}}", f" {{}}{ZERO_WIDTH}\r\n", f"{NBSP}{{}}"])
def test_vouchers_and_links_are_taken_as_they_are_pasted(paste: str) -> None:
    code = make_code(bytes(range(10)))
    assert parse_code(paste.format(code)) == code.replace("-", "")
    for dash in "\u2010\u2011\u2013\u2014\u2212":
        assert parse_code(paste.format(code.replace("-", dash))) == code.replace("-", "")
    link = paste.format("http://127.0.0.1:8000")
    assert parse_link(link).port == 8000
    with pytest.raises(CodeMistyped):
        parse_code(paste.format("\u0410" + code[1:]))


LAYOUTS = {
    "one a line": "\n".join,
    "numbered lines": lambda words: "\n".join(f"{n}. {w}" for n, w in enumerate(words, 1)),
    "as wallet create prints": lambda words: "  ".join(
        f"{n:>2} {w:<9}" for n, w in enumerate(words, 1)
    ),
    "numbers with brackets": lambda words: "\r\n".join(f"{n}) {w}" for n, w in enumerate(words, 1)),
    "numbers without spaces": lambda words: " ".join(f"{n}.{w}" for n, w in enumerate(words, 1)),
    "commas": ", ".join,
    "capitals and byte order mark": lambda words: BOM + NBSP.join(words).upper(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_words_are_taken_in_every_layout_of_a_text_editor(layout: str) -> None:
    words = words_from_entropy(ENTROPY).split()
    assert entropy_from_words(LAYOUTS[layout](words)) == ENTROPY
    with pytest.raises(WordUnknown):
        entropy_from_words(LAYOUTS[layout](["abandom", *words[1:]]))


def test_one_licence_key_has_one_spelling() -> None:
    spellings = [
        "KEY 1-CAFÉ",
        f"{BOM}KEY 1-CAFÉ",
        f"KEY{NBSP}1-CAFÉ",
        "  KEY 1-CAFE\u0301 \t",
        f"{ZERO_WIDTH}KEY 1-CAFÉ{ZERO_WIDTH}",
    ]
    for spelling in spellings:
        assert read_codes([spelling]) == ["KEY 1-CAFÉ"]
        with pytest.raises(BadArgument, match="Line 2 is there twice"):
            read_codes(["KEY 1-CAFÉ", spelling])
    for carried in (
        f"KEY{ZERO_WIDTH}1",
        f"KEY{SOFT_HYPHEN}1",
        "\uff2bEY 1",
        f"KEY{BOM}1",
        "KEY\x001",
    ):
        with pytest.raises(BadArgument, match="Line 1"):
            read_codes([carried])


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "\u2028", "\x0b"])
def test_line_ends_of_every_system_separate_codes(ends: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.codes"
    file.write_bytes((BOM + ends.join(["A1", "A2", "A3"]) + ends).encode())
    assert code_lines(file) == ["A1", "A2", "A3"]


def test_folders_from_two_systems_are_the_same_shop(tmp_path: Path) -> None:
    forms: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")
    for form in forms:
        folder = tmp_path / form
        folder.mkdir()
        (folder / unicodedata.normalize(form, "Übung é.txt")).write_text("a")
        other: Literal["NFC", "NFD"] = "NFD" if form == "NFC" else "NFC"
        name = unicodedata.normalize(other, "Übung é.txt")
        text = f'\ufeffprice = "5.00"\r\n["{name}"]\r\ntitle = "Übung"\r\n'
        (folder / "shop.toml").write_bytes(text.encode())
    one, two = (read_folder(tmp_path / form, 100, 2) for form in ("NFC", "NFD"))
    assert [entry.source.file_name for entry in one] == ["Übung é.txt"]
    assert [(e.source.file_name, e.title, e.price) for e in one] == [
        (e.source.file_name, e.title, e.price) for e in two
    ]
