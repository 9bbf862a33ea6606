"""Numbers that people type: what is not exactly a number that was asked for is refused."""

import typing
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from cyclopts import Argument, Token
from cyclopts.exceptions import CoercionError

from tests.support.command_tree import commands, options
from tests.terminal.usage import said
from veilmart.errors import BadAmount, BadArgument
from veilmart.limits import INTEGER_MAX
from veilmart.merchant.stocking.shop_folder import read_folder
from veilmart.terminal import numbers
from veilmart.terminal.numbers import read_share, read_whole
from veilmart.transport.socks import parse_proxy

NOT_WHOLE = ["2.5", "2.9", "2.0", "2,5", "1e3", "0x10", "0b1", "1_0", "+5", "-1", "٣", "\uff12"]
NOT_WHOLE += [" 2", "", "none", "null", "nan", "inf", "five", "9" * 17, str(INTEGER_MAX + 1)]


def is_numeric(hint: object) -> bool:
    """Whether a number can come out of this type, alone or in a union or a literal."""
    if isinstance(hint, type):
        return issubclass(hint, int | float | Decimal) and not issubclass(hint, bool)
    return any(
        is_numeric(type(part) if isinstance(part, int) else part) for part in typing.get_args(hint)
    )


@cache
def numeric_options() -> list[tuple[str, Argument]]:
    return [(words, argument) for words, argument in options() if is_numeric(argument.hint)]


def test_the_sweep_sees_every_command_and_its_numbers() -> None:
    found = {words for words, _ in numeric_options()}
    assert {"broker run --port", "broker fee --basis-points", "merchant import --k"} <= found
    assert "customer wallet create --words" in found
    assert len(list(commands())) > 70


@pytest.mark.parametrize(
    ("words", "argument"), numeric_options(), ids=[words for words, _ in numeric_options()]
)
def test_every_numeric_option_has_a_parser_of_ours_and_refuses_the_rest(
    words: str, argument: Argument
) -> None:
    converter = argument.parameter.converter
    assert getattr(converter, "__module__", "") == numbers.__name__, words
    for text in NOT_WHOLE:
        argument.tokens[:] = [Token(keyword=argument.name, value=text, source="test")]
        with pytest.raises(CoercionError):
            argument.convert()


@pytest.mark.parametrize(
    "words",
    [
        "broker fee 2.5",
        "broker voucher issue --value 5.00 --count 2.9",
        "broker run --port 99999",
        "broker run --port 65536",
        "merchant run --port 8100.4",
        "merchant run --workers 0x2",
        "broker descriptor --port 0",
        "customer wallet create --words 12.3",
        "customer tokens withdraw 5.00 --count 1e1",
        "broker voucher void --batch 1.5",
    ],
)
def test_a_refused_number_does_nothing(
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("VEILMART_HOME", str(tmp_path / "home"))
    code, out, err = said(words, monkeypatch, capsys)
    assert (code, out) == (2, "")
    assert f"(error {BadArgument.code})" in err
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("text", "points"),
    [("0", 0), ("250", 250), ("2.5%", 250), ("2.55 %", 255), ("0.01%", 1), ("50%", 5000)],
)
def test_a_share_is_basis_points_or_a_percentage(text: str, points: int) -> None:
    assert read_share(text) == points


@pytest.mark.parametrize(
    "text",
    ["2.5", "5001", "50.01%", "2.555%", "%", ".5%", "2.%", "-1%", "1e1%", "\uff12%", "2.5%%"],
)
def test_a_share_that_is_neither_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"2\.5%|more than"):
        read_share(text)


def test_the_bounds_of_a_whole_number_are_kept() -> None:
    assert [read_whole(text, 1, 5) for text in ("1", "5", "05")] == [1, 5, 5]
    for text in ("0", "6"):
        with pytest.raises(ValueError, match="from 1 to 5"):
            read_whole(text, 1, 5)


def test_a_price_in_shop_toml_is_read_digit_by_digit(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    words = tmp_path / "shop.toml"
    words.write_text("price = 5.10")
    assert [entry.price for entry in read_folder(tmp_path, 100, 2)] == [510]
    for price in ("4.99999999999999999999", "1e3", "5.001", "nan", "true", "-1.00"):
        words.write_text(f"price = {price}")
        with pytest.raises(BadAmount):
            read_folder(tmp_path, 100, 2)


def test_port_zero_of_a_proxy_is_not_another_port() -> None:
    with pytest.raises(BadArgument):
        parse_proxy("socks5h://127.0.0.1:0")
