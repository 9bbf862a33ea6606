"""Shelves of codes as a game: a broker that may order, abandon, pay, wait and look.

Two worlds differ in one thing: which product an honest customer has bought. Whatever the broker
does, as a customer too, and whenever the merchant adds codes, it sees the same in both. The
argument is in the head of code_stock_windows.py: what shows is computed from what the merchant put
on the shelf and from the number of orders of the whole shelf, never from those of a product.
"""

from pathlib import Path
from random import Random

import pytest

from tests.privacy.conftest import MakeStall
from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import (
    GIVEN_BACK_AFTER,
    delivered,
    offered,
    refresh,
    run_import,
    shop_with,
    shown,
)
from veilmart.errors import ProductOut
from veilmart.limits import CODE_WINDOW_SECONDS

STOCK = {"sun": 3, "moon": 5, "star": 9}
Move = tuple[str, str]


def script(seed: int) -> list[Move]:
    """What the broker does, with the honest sale at some point of it."""
    random = Random(seed)
    moves: list[Move] = [
        (random.choice(["abandon", "abandon", "pay", "look", "wait", "window", "add"]), title)
        for title in random.choices(list(STOCK), k=14)
    ]
    moves.insert(random.randrange(10), ("honest", ""))
    return [*moves, ("window", ""), ("look", ""), *[("abandon", title) for title in STOCK] * 6]


def play(stall: Stall, folder: Path, moves: list[Move], secret: str) -> list[object]:
    """Everything that the broker sees, in order."""
    shop_with(stall, folder, **STOCK)
    seen: list[object] = []
    for number, (move, title) in enumerate(moves):
        match move:
            case "honest":
                seen.append(_order(stall, secret, pay=True))
            case "abandon" | "pay":
                seen.append((title, _order(stall, title, pay=move == "pay")))
            case "look":
                seen.append(shown(stall))
            case "wait":
                stall.now += GIVEN_BACK_AFTER // 2
            case "window":
                stall.now += CODE_WINDOW_SECONDS - stall.now % CODE_WINDOW_SECONDS
            case "add":
                path = folder / f"{title}.codes"
                path.write_text(path.read_text() + f"{title.upper()}-MORE-{number}\n")
                run_import(stall, folder)
        refresh(stall)
        seen.append(shown(stall))
    return seen


def _order(stall: Stall, title: str, *, pay: bool) -> bool:
    try:
        customer, found, invoice = offered(stall, title)
    except ProductOut:
        return False
    if pay:
        delivered(stall, customer, found, invoice)
    return True


@pytest.mark.parametrize("seed", range(4))
def test_a_broker_that_orders_and_looks_does_not_learn_which_product_was_sold(
    make_stall: MakeStall, tmp_path: Path, seed: int
) -> None:
    moves = script(seed)
    worlds = [
        play(make_stall(f"world-{secret}"), tmp_path / f"codes-{secret}", moves, secret)
        for secret in ("sun", "moon")
    ]
    assert worlds[0] == worlds[1]
    assert True in worlds[0] and False in [move[1] for move in worlds[0] if type(move) is tuple]
