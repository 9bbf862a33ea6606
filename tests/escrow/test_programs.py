"""Disputes and refunds as people have them: real programs, one of them a crooked merchant."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.crooked_market import lie as lie, market as market
from tests.support.real_market import RealMarket
from veilmart.errors import Declined, JudgementInvalid, NoSuchOrder, WrongOrderState
from veilmart.protocol.evidence import Finding


def asked(market: RealMarket, home: Path, *words: str) -> Any:
    done = market.customer(home, *words, "--json")
    assert done.code == 0, done.err
    return msgspec.json.decode(done.out)


@pytest.mark.parametrize(
    ("told", "product", "price", "finding"),
    [
        pytest.param("key", "june.txt", 500, Finding.KEY, marks=pytest.mark.long),
        pytest.param("damage", "june.txt", 500, Finding.SEGMENT, marks=pytest.mark.long),
        ("piece", "sky.bin", 1000, Finding.SEGMENT),
    ],
)
def test_a_dispute_from_the_purchase_to_the_money(
    market: RealMarket,
    tmp_path: Path,
    lie: Path,
    told: str,
    product: str,
    price: int,
    finding: Finding,
) -> None:
    name = f"mia-{told}"
    market.account(tmp_path, name)
    lie.write_text(told)
    failed = market.customer(tmp_path, "buy", product, "--yes")
    lie.write_text("none")
    assert failed.code == 5 and "veilmart customer dispute ORDER" in failed.err
    [line] = asked(market, tmp_path, "orders")["orders"]
    order = line["order"]
    assert line["state"] == "released" and line["by"] > line["made_at"]
    shown = market.customer(tmp_path, "orders").out
    assert "goods: not as promised" in shown
    assert f"to do: `veilmart customer dispute {order[:8]}`" in shown

    refused = market.customer(tmp_path, "dispute", order[:8], typed="n\n")
    assert refused.code == Declined.exit_code
    assert f"{product}: {finding.value}." in refused.out
    assert (
        "The evidence shows the broker what this order was about: which product it was"
        in refused.out
    )

    saved = market.customer(tmp_path, "dispute", order[:8], "--save", "proof")
    assert saved.code == 0, saved.err
    judged = asked(market, tmp_path, "judge", "proof")
    assert (judged["order"], judged["finding"], judged["paid"]) == (order, finding.value, True)
    proof = tmp_path / "proof"
    proof.write_bytes(proof.read_bytes()[:-1])
    assert market.customer(tmp_path, "judge", "proof").code == JudgementInvalid.exit_code

    won = asked(market, tmp_path, "dispute", order[:8], "--yes")
    assert (won["outcome"], won["finding"]) == ("refunded", finding.value)
    assert asked(market, tmp_path, "balance")["balance"] in (10_000, "100.00")
    again = market.customer(tmp_path, "dispute", order[:8], "--yes")
    assert again.code == WrongOrderState.exit_code
    shown = market.customer(tmp_path, "orders").out
    assert "money: returned to you, the whole amount" in shown and "to do:" not in shown

    lines = msgspec.json.decode(market.run("broker", "disputes", "--json").out)
    [noted] = [found for found in lines if found["order"] == order]
    assert (noted["outcome"], noted["amount"]) == ("won", price)
    assert finding.value in " ".join(market.run("broker", "disputes").out.split())
    assert market.run("broker", "audit").code == 0


def test_a_merchant_gives_back_what_was_settled(market: RealMarket, tmp_path: Path) -> None:
    market.account(tmp_path, "content")
    bought = asked(market, tmp_path, "buy", "june.txt", "--yes")
    order = bought["order"]
    nothing = market.customer(tmp_path, "sync", "--now")
    assert nothing.out.endswith("Nothing is unfinished.\n")
    assert market.run("merchant", "refund", order[:8], typed="n\n").code == Declined.exit_code
    assert market.run("merchant", "refund", "ffff0000", "--yes").code == NoSuchOrder.exit_code
    given = market.run("merchant", "refund", order[:8], "--yes")
    assert given.code == 0 and "5.00 was refunded" in given.out, given.err
    assert market.run("merchant", "refund", order[:8], "--yes").code == 0
    synced = market.customer(tmp_path, "sync", "--now")
    assert "its merchant gave the money back" in synced.out
    [line] = asked(market, tmp_path, "orders")["orders"]
    assert (line["state"], line["money"]) == ("refunded", "returned to you, the whole amount")
    assert Path(bought["path"]).exists() and line["goods"] == "here as well"
    assert asked(market, tmp_path, "library")["orders"] == []
    assert market.run("broker", "audit").code == 0


@pytest.mark.long
def test_a_token_comes_back_for_a_token(market: RealMarket, tmp_path: Path, lie: Path) -> None:
    """Bought without an account, disputed without one; the refund token buys the same again."""
    market.account(tmp_path, "nobody")
    assert market.customer(tmp_path, "wallet", "create", "--no-passphrase").code == 0
    drawn = market.customer(tmp_path, "tokens", "withdraw", "5.00", "--count", "1")
    assert drawn.code == 0, drawn.err
    anonymous = ("buy", "june.txt", "--anonymous", "--now", "--yes", "--again")
    lie.write_text("key")
    failed = market.customer(tmp_path, *anonymous)
    lie.write_text("none")
    assert failed.code == 5, failed.err
    [line] = asked(market, tmp_path, "orders")["orders"]
    won = asked(market, tmp_path, "dispute", line["order"][:8], "--yes")
    assert won["outcome"] == "refunded"
    [line] = asked(market, tmp_path, "orders")["orders"]
    assert line["money"] == "returned to you, the whole amount"
    again = market.customer(tmp_path, *anonymous)
    assert again.code == 0, again.err
    assert asked(market, tmp_path, "balance")["balance"] in (9_500, "95.00")
    assert market.run("broker", "audit").code == 0
