"""Title, kind, sizes, merchant, price, refund terms and dates: said before paying, and afterwards.

The real programs run. A licence key is bought beside a file.
"""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.real_market import RealMarket, real_market
from tests.support.waiting import wait_until

KEYS = ("EDIT-OR-0001", "EDIT-OR-0002")
TRIES = 15
TERMS = "Refunded in full if it is not delivered within"


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealMarket]:
    folder = tmp_path_factory.mktemp("market")
    for name, lines in (("editor.codes", KEYS), ("game.codes", ("GAME-1", "GAME-2"))):
        (folder / name).write_text("\n".join(lines) + "\n")
    with real_market(folder) as running:
        codes = [str(folder / "editor.codes"), str(folder / "game.codes")]
        assert running.run("merchant", "codes", "add", *codes, "--price", "5.00").code == 0
        yield running


@pytest.fixture(scope="module")
def home(market: RealMarket, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("anna")
    market.account(home, "anna")
    # The running merchant looks every few seconds at its stock of codes.
    wait_until(lambda: is_available(market, home, "editor"))
    return home


def is_available(market: RealMarket, home: Path, title: str) -> bool:
    listed = json.loads(market.customer(home, "browse", "--json").out)["products"]
    return any(title in line["title"] and line["available"] for line in listed)


def test_the_menu_says_kind_size_price_and_merchant(market: RealMarket, home: Path) -> None:
    said = market.customer(home, "browse").out
    assert said.splitlines()[0] == "merchant"
    assert re.search(r"june\.txt  5\.00  19 bytes", said)
    assert re.search(r"editor.*  5\.00  licence key", said)
    listed = json.loads(market.customer(home, "browse", "--json").out)["products"]
    (key,) = [line for line in listed if "editor" in line["title"]]
    assert key["kind"] == "licence key" and key["download"] >= 1024
    assert {"merchant", "deliver_within", "settle_within"} <= key.keys()


def test_a_look_says_what_paying_would(market: RealMarket, home: Path) -> None:
    said = market.customer(home, "look", "june").out
    assert "A file, june.txt, 19 bytes; the download has 1,024 bytes" in said
    assert "Sold by merchant." in said and TERMS in said
    assert "A licence key; the download has" in market.customer(home, "look", "editor").out


def test_a_licence_key_is_shown_as_well_as_saved(market: RealMarket, home: Path) -> None:
    out = home / "keys"
    out.mkdir()
    bought = market.customer(home, "buy", "editor", "--yes", "--account", "--out", str(out))
    assert bought.code == 0, bought.err
    said = bought.out + bought.err
    assert "A licence key; the download has" in said
    assert "Sold by merchant." in said and TERMS in said
    (file,) = out.iterdir()
    key = file.read_text().strip()
    assert key in KEYS
    assert f"Licence key: {key}\n" in said


def test_orders_say_when_where_and_what(market: RealMarket, home: Path) -> None:
    out = home / "files"
    out.mkdir()
    assert market.customer(home, "buy", "july", "--yes", "--account", "--out", str(out)).code == 0
    said = market.customer(home, "orders").out
    moment = r"bought: \d{4}-\d\d-\d\d \d\d:\d\d UTC from merchant, a "
    assert re.search(moment + "file of 19 bytes, 1,024 bytes to download", said)
    assert re.search(moment + "licence key, [0-9,]+ bytes to download", said)


def test_kinds_of_orders_are_in_json(market: RealMarket, home: Path) -> None:
    listed = json.loads(market.customer(home, "orders", "--json").out)["orders"]
    assert {line["kind"] for line in listed} == {"licence key", "file"}
    assert {line["merchant"] for line in listed} == {"merchant"}


def test_a_price_point_in_use_is_warned_about_and_nobody_is_blamed(
    market: RealMarket, home: Path
) -> None:
    points = market.run("broker", "price-points", "--json")
    left = [amount for amount in json.loads(points.out)["price_points"] if amount != "5.00"]
    changed = market.run("broker", "price-points", "set", *left)
    assert "Warning: merchant sells at 5.00, which nobody can pay now." in changed.out
    try:
        for _ in range(TRIES):  # until the running broker has published them
            refused = market.customer(home, "buy", "june", "--yes", "--account", "--again")
            if refused.code:
                break
            time.sleep(1)
        said = refused.out + refused.err
        assert "(error 4162)" in said and "Nothing was paid." in said
        assert "Report the merchant" not in said
    finally:
        back = market.run("broker", "price-points", "set", *left, "5.00", "--json")
    assert json.loads(back.out)["unsold"] == []
