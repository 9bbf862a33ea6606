"""Unique codes: one per sale, never twice, and nothing shows what was sold."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import (
    GIVEN_BACK_AFTER,
    delivered,
    offered,
    refresh,
    report,
    run_import,
    shop_with,
    shown,
)
from veilmart.errors import AloneOnShelf, BadArgument, ProductOut, WrongOrderState
from veilmart.limits import (
    CODE_MAX_BYTES,
    CODE_WINDOW_SECONDS,
)
from veilmart.merchant.goods.products import load_products
from veilmart.merchant.goods.shelves import code_shelves
from veilmart.merchant.sales.code_stock_windows import certain_stock, recount
from veilmart.merchant.sales.codes import read_codes, stock
from veilmart.merchant.schema.tables import codes
from veilmart.merchant.server.link_rules import answer
from veilmart.merchant.server.running import sweep_for_all
from veilmart.protocol.effects import Transact
from veilmart.protocol.link_messages import FetchSegment, TunnelRelay
from veilmart.protocol.merchant_messages import Offered
from veilmart.protocol.offer import (
    order_of,
)
from veilmart.protocol.perform import perform
from veilmart.protocol.tunnel import PendingRequest


def test_every_sale_is_another_code(stall: Stall, tmp_path: Path) -> None:
    shop_with(stall, tmp_path / "codes", sun=3, moon=3)
    got = [delivered(stall, *offered(stall, title)) for title in ("sun", "moon", "sun")]
    assert {got[0], got[2]} < {"SUN-0000", "SUN-0001", "SUN-0002"} and got[0] != got[2]
    assert got[1].startswith("MOON-")
    counts = stall.market.database.run_now(stock)
    assert sorted((f.free, f.reserved, f.sold) for f in counts.values()) == [(1, 0, 2), (2, 0, 1)]


async def test_64_buyers_at_once_never_get_one_code_twice(stall: Stall, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
    for name in ("sun", "moon"):
        (folder / f"{name}.codes").write_text("".join(f"{name}-{n}\n" for n in range(40)))
    run_import(stall, folder)
    stall.reload()
    await sweep_for_all(stall.market, stall.state)
    stall.reload()
    link = stall.link()
    customers = [stall.customer(link) for _ in range(64)]

    async def transact(effect: Transact) -> Any:
        return await stall.market.database.run(effect.function, *effect.args)

    async def buy(customer: Any) -> bytes | None:
        request = stall.selection(customer, "sun")
        pending = PendingRequest(customer.keys, request, request.cells, os.urandom)
        relay = TunnelRelay(request_number=customer.number, record=pending.record)
        reply: Any = await perform(answer(stall.state, link, relay), {Transact: transact})
        try:
            found = pending.open_answer(Offered, reply.message.record)
        except ProductOut:
            assert reply.message.invoice == b""  # refused before there is anything to pay
            return None
        return bytes(found.pieces)

    got = await asyncio.gather(*map(buy, customers))
    sold = [pieces for pieces in got if pieces is not None]
    assert len(sold) == len(set(sold)) == 40
    assert got.count(None) == 24
    reserved = sorted(f.reserved for f in stall.market.database.run_now(stock).values())
    assert reserved == [0, 40]


def test_a_shelf_refuses_all_alike_once_its_scarcest_product_could_be_gone(
    stall: Stall, tmp_path: Path
) -> None:
    shop_with(stall, tmp_path / "codes", sun=2, moon=9)
    for _ in range(2):
        delivered(stall, *offered(stall, "moon"))
    before = stall.state.shop.catalogue.hash
    for title in ("sun", "moon"):
        with pytest.raises(ProductOut):
            offered(stall, title)
    refresh(stall)
    assert stall.state.shop.catalogue.hash == before  # no sale shows
    offered(stall, "alpha.txt")  # other shelves go on
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    assert shown(stall) == {"sun": False, "moon": True}  # as if both orders had been for each
    for _ in range(7):
        delivered(stall, *offered(stall, "moon"))
    with pytest.raises(ProductOut):
        offered(stall, "moon")


def test_codes_that_are_left_over_come_back_by_the_merchants_own_act(
    stall: Stall, tmp_path: Path
) -> None:
    shop_with(stall, tmp_path / "codes", sun=2, moon=4)
    for _ in range(2):
        delivered(stall, *offered(stall, "moon"))
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    assert shown(stall) == {"sun": False, "moon": True}
    for shelf in stall.market.database.run_now(code_shelves):
        stall.market.database.run_now(recount, shelf)
    refresh(stall)
    assert shown(stall) == {"sun": False, "moon": True}, "not before the next window"
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    assert shown(stall) == {"sun": True, "moon": True}
    assert sorted(stall.market.database.run_now(certain_stock).values()) == [2, 2]
    for title in ("sun", "sun"):
        offered(stall, title)
    with pytest.raises(ProductOut):
        offered(stall, "moon")


def test_a_product_that_comes_later_owes_nothing_for_earlier_orders(
    stall: Stall, tmp_path: Path
) -> None:
    folder = tmp_path / "codes"
    shop_with(stall, folder, sun=3, moon=3)
    delivered(stall, *offered(stall, "moon"))
    offered(stall, "moon")  # is not paid and comes back, which is no stock of the new product
    (folder / "star.codes").write_text("STAR-1\nSTAR-2\n")
    run_import(stall, folder)
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    assert sorted(stall.market.database.run_now(certain_stock).values()) == [2, 2, 2]


@pytest.mark.parametrize("before", [0, 1], ids=["before all codes", "between two products"])
def test_a_new_shelf_shows_its_codes_though_the_server_looked_before_they_came(
    stall: Stall, tmp_path: Path, before: int
) -> None:
    """Products come first, their codes in later transactions; a window lasts an hour."""
    for name in ("sun", "moon"):
        (tmp_path / f"{name}.codes").write_text(f"{name}-1\n{name}-2\n")
    run_import(stall, tmp_path)
    database = stall.market.database
    lines = database.run_now(lambda conn: conn.execute(select(codes)).mappings().all())
    late = sorted({one["product"] for one in lines})[before:]
    database.run_now(
        lambda conn: conn.execute(delete(codes).where(codes.c.product.in_(late))).rowcount
    )
    refresh(stall)
    assert sum(shown(stall).values()) == before
    database.run_now(
        lambda conn: (
            conn.execute(
                insert(codes), [dict(one) for one in lines if one["product"] in late]
            ).rowcount
        )
    )
    refresh(stall)
    assert shown(stall) == {"sun": True, "moon": True}


def test_after_a_first_order_new_codes_wait_for_the_next_window(
    stall: Stall, tmp_path: Path
) -> None:
    folder = tmp_path / "codes"
    shop_with(stall, folder, sun=2, moon=2)
    offered(stall, "sun")
    (folder / "star.codes").write_text("STAR-1\n")
    run_import(stall, folder)
    refresh(stall)
    assert shown(stall) == {"sun": True, "moon": True, "star": False}
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    assert shown(stall) == {"sun": True, "moon": True, "star": True}


def test_out_of_stock_shows_at_the_next_window_only(stall: Stall, tmp_path: Path) -> None:
    shop_with(stall, tmp_path / "codes", sun=1, moon=5)
    delivered(stall, *offered(stall, "sun"))
    refresh(stall)
    assert shown(stall) == {"sun": True, "moon": True}
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    assert shown(stall) == {"sun": False, "moon": True}
    with pytest.raises(ProductOut):
        offered(stall, "sun")
    for _ in range(4):
        offered(stall, "moon")
    folder = tmp_path / "codes"
    (folder / "sun.codes").write_text("SUN-0000\nSUN-NEW\n")
    assert run_import(stall, folder).changed == 1
    for shelf in stall.market.database.run_now(code_shelves):
        stall.market.database.run_now(recount, shelf)
    refresh(stall)
    stall.now += CODE_WINDOW_SECONDS
    refresh(stall)
    assert shown(stall)["sun"]
    assert delivered(stall, *offered(stall, "sun")) == "SUN-NEW"


def test_an_unpaid_code_is_given_to_another_only_when_nobody_can_pay_any_more(
    stall: Stall, tmp_path: Path
) -> None:
    shop_with(stall, tmp_path / "codes", sun=1, moon=1)
    customer, found, invoice = offered(stall, "sun")
    stall.now += GIVEN_BACK_AFTER - 1
    refresh(stall)
    assert delivered(stall, customer, found, invoice) == "SUN-0000"  # the payment was in time
    stall.now += 10 * GIVEN_BACK_AFTER
    refresh(stall)
    assert sum(f.sold for f in stall.market.database.run_now(stock).values()) == 1


def test_an_expired_offer_gives_its_code_back(stall: Stall, tmp_path: Path) -> None:
    stall.now += CODE_WINDOW_SECONDS - stall.now % CODE_WINDOW_SECONDS
    shop_with(stall, tmp_path / "codes", sun=1, moon=1)
    _, found, _ = offered(stall, "sun")
    stall.now += GIVEN_BACK_AFTER
    refresh(stall)
    late = FetchSegment(order=order_of(found.offer), index=0, held_at=stall.now)
    customer, again, invoice = offered(stall, "sun")  # in the same window: it made room
    assert delivered(stall, customer, again, invoice) == "SUN-0000"
    with pytest.raises(WrongOrderState):
        stall.ask(stall.link(), late)


def test_a_refunded_code_is_free_again_and_a_settled_one_never(
    stall: Stall, tmp_path: Path
) -> None:
    shop_with(stall, tmp_path / "codes", sun=2, moon=2)
    first = offered(stall, "sun")
    second = offered(stall, "sun")
    sold = [delivered(stall, *first), delivered(stall, *second)]
    assert sorted(sold) == ["SUN-0000", "SUN-0001"]
    report(stall, 500, (1, order_of(first[1].offer), "refunded"))
    report(stall, 500, (2, order_of(second[1].offer), "settled"))
    report(stall, 500, (2, order_of(second[1].offer), "settled"))
    assert delivered(stall, *offered(stall, "sun")) == sold[0]
    stall.now += 2 * CODE_WINDOW_SECONDS
    refresh(stall)
    with pytest.raises(ProductOut):
        offered(stall, "sun")


@pytest.mark.parametrize("before", [(), ("settled",)])
def test_a_returned_code_is_never_sold_again(
    stall: Stall, tmp_path: Path, before: tuple[str, ...]
) -> None:
    """The customer may have read it: refunded on evidence, or by the merchant's own choice."""
    shop_with(stall, tmp_path / "codes", sun=1, moon=1)
    sold = offered(stall, "sun")
    order = order_of(sold[1].offer)
    assert delivered(stall, *sold) == "SUN-0000"
    entries = [(n, order, event) for n, event in enumerate((*before, "returned"), start=1)]
    report(stall, 0, *entries)
    stall.now += 2 * CODE_WINDOW_SECONDS
    refresh(stall)
    with pytest.raises(ProductOut):
        offered(stall, "sun")


def test_nothing_in_the_offer_tells_the_code(stall: Stall, tmp_path: Path) -> None:
    """The same line under another salt has another root."""
    shop_with(stall, tmp_path / "codes", sun=2, moon=2)
    _, found, _ = offered(stall, "sun")
    with_rows = stall.market.database.run_now(
        lambda c: c.exec_driver_sql("SELECT packed, root FROM codes ORDER BY id").all()
    )
    salts = {bytes(row.packed[:32]) for row in with_rows}
    assert len(salts) == 4 and bytes(32) not in salts
    assert b"SUN-" not in found.offer + found.pieces


def test_codes_again_are_passed_over(stall: Stall, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    shop_with(stall, folder, sun=2, moon=2)
    assert run_import(stall, folder).same == 2
    (folder / "moon.codes").write_text("SUN-0000\nMOON-0000\n")  # another product's code
    assert run_import(stall, folder).same == 2
    assert sum(f.free for f in stall.market.database.run_now(stock).values()) == 4


def test_a_product_of_codes_alone_is_refused(stall: Stall, tmp_path: Path) -> None:
    folder = tmp_path / "codes"
    folder.mkdir()
    (folder / "sun.codes").write_text("A\n")
    before = stall.market.database.run_now(load_products)
    with pytest.raises(AloneOnShelf):
        run_import(stall, folder)
    assert stall.market.database.run_now(load_products) == before
    assert run_import(stall, folder, alone=True).new == 1


@pytest.mark.parametrize(
    "lines", [[], ["", " "], ["A", "A"], ["x" * (CODE_MAX_BYTES + 1)], ["a\x1b[2Jb"], ["a\u202eb"]]
)
def test_lines_that_are_refused(lines: list[str]) -> None:
    with pytest.raises(BadArgument):
        read_codes(lines)


def test_lines_that_are_fine() -> None:
    assert read_codes(["  A-1 \r", "", "x" * CODE_MAX_BYTES]) == ["A-1", "x" * CODE_MAX_BYTES]
