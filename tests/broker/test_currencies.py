"""A market in each currency: amounts have the digits that ISO 4217 gives it, and no others."""

import json
import os
from pathlib import Path

import pytest

from tests.broker.called import run
from veilmart.broker import settings
from veilmart.broker.currencies import decimals_of
from veilmart.broker.home import open_home, renew_descriptor
from veilmart.errors import BadArgument
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.protocol.accounting import format_amount, parse_amount

NOW = 1_800_000_000


@pytest.mark.parametrize(
    ("currency", "decimals"),
    [
        ("EUR", 2),
        ("USD", 2),
        ("MGA", 2),
        ("JPY", 0),
        ("KRW", 0),
        ("XPF", 0),
        ("KWD", 3),
        ("CLF", 4),
    ],
)
def test_digits_of_a_currency(currency: str, decimals: int) -> None:
    assert decimals_of(currency) == decimals == decimals_of(currency, decimals)
    with pytest.raises(BadArgument):
        decimals_of(currency, decimals + 1)


@pytest.mark.parametrize("currency", ["XAU", "XXX", "POINTS", "eur", "EU", ""])
def test_what_the_standard_does_not_name_has_the_digits_that_its_operator_says(
    currency: str,
) -> None:
    with pytest.raises(BadArgument):
        decimals_of(currency)
    assert decimals_of(currency, 1) == 1
    for wrong in (-1, 7):
        with pytest.raises(BadArgument):
            decimals_of(currency, wrong)


@pytest.mark.parametrize(
    ("currency", "decimals", "good", "bad", "first"),
    [
        ("JPY", 0, ("500", "1000"), ("5.00", "500.5", "500."), "100"),
        ("KWD", 3, ("1.250", "2"), ("1.2505",), "1.000"),
        ("EUR", 2, ("1.25", "2"), ("1.255",), "1.00"),
    ],
)
def test_a_market_in_it(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    currency: str,
    decimals: int,
    good: tuple[str, str],
    bad: tuple[str, ...],
    first: str,
) -> None:
    home = tmp_path / "broker"
    assert run("init", "--currency", currency, home=home) == 0
    capsys.readouterr()
    assert run("price-points", home=home) == 0
    assert capsys.readouterr().out.split()[0] == first
    for amount in bad:
        assert run("price-points", "set", amount, home=home) == 2
        assert run("voucher", "issue", "--value", amount, home=home) == 2
    capsys.readouterr()
    assert run("voucher", "issue", "--value", good[0], "--json", home=home) == 0
    capsys.readouterr()
    assert run("voucher", "list", "--json", home=home) == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert line["value"] == format_amount(parse_amount(good[0], decimals), decimals)
    with open_home(home) as opened:
        assert opened.database.run_now(settings.load).decimals == decimals
        broker = renew_descriptor(opened, NOW, os.urandom).newest.public
    assert (broker.descriptor.currency, broker.descriptor.decimals) == (currency, decimals)
    # A merchant that sells through it reckons in the same digits.
    create_merchant(tmp_path / "merchant", "shop", "http://127.0.0.1:9", broker)
    with open_merchant(tmp_path / "merchant") as shop:
        row = shop.database.run_now(read_shop)
    assert (row.currency, row.decimals) == (currency, decimals)
