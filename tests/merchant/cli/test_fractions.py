"""No amount with digits that the currency does not have is taken, in any option of any command."""

from pathlib import Path

import msgspec
import pytest

from tests.merchant.cli.saying import Say
from tests.support.called_commands import call
from tests.support.command_tree import options
from tests.support.scripted_merchant import FakeBroker
from veilmart.errors import BadAmount
from veilmart.protocol.descriptor import read_descriptor, sign_descriptor

NAMES = ("--amount", "--amounts", "--value", "--price", "--wish")
BROKER = {
    "broker payout --amount": ("payout", "shop"),
    "broker credit --amount": ("credit", "anna"),
    "broker reverse-credit --amount": ("reverse-credit", "anna"),
    "broker price-points set --amounts": ("price-points", "set"),
    "broker voucher issue --value": ("voucher", "issue", "--count", "1", "--value"),
}
MERCHANT = {
    "merchant add --price": ("add", "{goods}", "--price"),
    "merchant edit --wish": ("edit", "alpha.txt", "--wish"),
    "merchant edit --price": ("edit", "alpha.txt", "--price"),
    "merchant import --price": ("import", "{goods}", "--price"),
    "merchant codes add --price": ("codes", "add", "{goods}/alpha.txt", "--price"),
    "merchant withdraw-request --amount": ("withdraw-request",),
    "merchant shelf create --price": ("shelf", "create", "s", "--size", "1K", "--price"),
}
# These name a price point that there is; the wallet must have joined a broker first.
CUSTOMER = {"customer tokens withdraw --price", "customer tokens deposit --price"}
CURRENCIES = [
    ("JPY", 0, "1.5", "1.0"),
    ("KWD", 3, "1.2345", "1.0000"),
    ("EUR", 2, "0.005", "1.000"),
]
of_currencies = pytest.mark.parametrize(
    ("currency", "decimals", "fraction", "zeros"), CURRENCIES, ids=[c[0] for c in CURRENCIES]
)


def test_every_option_that_takes_an_amount_is_tried_here() -> None:
    found = {name for name, _ in options() if name.split()[-1] in NAMES}
    assert found <= BROKER.keys() | MERCHANT.keys() | CUSTOMER


@of_currencies
def test_the_broker_takes_no_fraction_of_a_minor_unit(
    currency: str,
    decimals: int,
    fraction: str,
    zeros: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    where = ["--home", str(tmp_path / "home"), "--json"]
    code, _, _ = call(["broker", "init", "--currency", currency, *where], capfd)
    assert code == 0
    for words in BROKER.values():
        for amount in (fraction, zeros):
            command = ["broker", *words, amount, *where]
            _, out, err = call(command, capfd)
            assert out, (command, err)
            assert msgspec.json.decode(out)["error"]["code"] == BadAmount.code, command


@of_currencies
def test_the_merchant_takes_no_fraction_of_a_minor_unit(
    say: Say,
    fresh: FakeBroker,
    goods: Path,
    currency: str,
    decimals: int,
    fraction: str,
    zeros: str,
) -> None:
    unit = 10**decimals
    priced = msgspec.structs.replace(
        fresh.known.descriptor, currency=currency, decimals=decimals, price_points=[unit, 5 * unit]
    )
    fresh.known = read_descriptor(sign_descriptor(priced, fresh.key))
    assert say("init", "--broker", "http://127.0.0.1:8000", "--yes")[0] == 0
    assert say("add", str(goods), "--price", "5")[0] == 0
    have = {name for name, _ in options()}
    for name, words in MERCHANT.items():
        for amount in (fraction, zeros) if name in have else ():
            filled = [word.format(goods=goods) for word in words]
            _, out, err = say(*filled, amount)
            assert f"error {BadAmount.code}" in out + err, (words, amount, out, err)
    for line in ('price = "{}"\n', '["alpha.txt"]\nprice = {}\n'):
        for amount in (fraction, zeros):
            (goods / "shop.toml").write_text(line.format(amount))
            code, out, err = say("import", str(goods))
            said = out + err
            assert code and (f"error {BadAmount.code}" in said or repr(amount) in said), said
