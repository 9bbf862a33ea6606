"""A unique code: the catalogue names no root, the offer names this one's."""

from pathlib import Path

import msgspec
import pytest

from tests.customer.purchase.buying import buy
from tests.support.scripted_customer import CONTENT, Market, changed
from veilmart.errors import PieceMismatch
from veilmart.protocol.catalogue import NO_ROOT


def sell_a_code(market: Market) -> None:
    root = market.product.root
    market.product = changed(market.product, root=NO_ROOT, size=0)
    market.tricks.offer = lambda offer: msgspec.structs.replace(offer, product=root)


def test_a_code_is_bought_under_the_root_in_its_offer(market: Market, tmp_path: Path) -> None:
    sell_a_code(market)
    assert buy(market, tmp_path / "out").path.read_bytes() == CONTENT


def test_a_piece_list_that_does_not_fit_the_offered_root_is_not_paid(
    market: Market, tmp_path: Path
) -> None:
    sell_a_code(market)
    market.tricks.pieces = lambda pieces: bytes(len(pieces))
    with pytest.raises(PieceMismatch):
        buy(market, tmp_path / "out")
    assert market.balance == 10_000
