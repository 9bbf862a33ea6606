"""Packed products that nothing names are removed after a while; nothing else ever is."""

import asyncio
import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from tests.merchant.stocking.folders import folder_of, run_import_of
from tests.support.scripted_merchant import Stall
from tests.support.selling_codes import run_import
from veilmart.errors import BadArgument
from veilmart.limits import UNNAMED_KEPT_SECONDS
from veilmart.merchant.collecting import NOTES_FILE, Collected, collect_unnamed
from veilmart.merchant.goods.products import load_products, remove_product
from veilmart.merchant.stocking import shelf_moves
from veilmart.merchant.stocking.comparing import compare
from veilmart.merchant.stocking.shelf_moves import apply_proposal, propose
from veilmart.merchant.stocking.shop_folder import read_folder


def stored(stall: Stall) -> set[bytes]:
    return set(stall.market.store.roots())


def test_what_nothing_names_is_removed_after_its_time_and_what_was_sold_stays(
    stall: Stall, tmp_path: Path
) -> None:
    market, now = stall.market, stall.now
    named = stored(stall)
    left = market.store.put([b"left by a failed move"], 21)
    market.database.run_now(remove_product, market.database.run_now(load_products)[0].id, True)
    assert collect_unnamed(market, now) == Collected(0, 1)
    assert collect_unnamed(market, now + UNNAMED_KEPT_SECONDS - 1) == Collected(0, 1)
    assert left in stored(stall)
    assert collect_unnamed(market, now + UNNAMED_KEPT_SECONDS) == Collected(1, 0)
    assert stored(stall) == named, "a removed product may have been sold"


def test_the_bytes_of_an_order_stay_after_the_product_has_changed(
    stall: Stall, tmp_path: Path
) -> None:
    from tests.support.selling_codes import offered

    folder = folder_of(tmp_path, a=900, b=901)
    run_import(stall, folder)
    stall.reload()
    before = {p.file_name: p.root for p in stall.market.database.run_now(load_products)}
    offered(stall, "a.txt")
    for name in ("a.txt", "b.txt"):
        (folder / name).write_bytes(os.urandom(850))
    run_import(stall, folder)
    collect_unnamed(stall.market, stall.now)
    assert collect_unnamed(stall.market, stall.now + UNNAMED_KEPT_SECONDS).removed == 1
    assert before["a.txt"] in stored(stall)
    assert before["b.txt"] not in stored(stall)


def test_what_is_named_again_meanwhile_or_noted_in_the_future_is_not_removed(
    stall: Stall,
) -> None:
    market, now = stall.market, stall.now
    left = market.store.put([b"left"], 4)
    collect_unnamed(market, now + 10 * UNNAMED_KEPT_SECONDS)  # a clock that was wrong
    assert collect_unnamed(market, now) == Collected(0, 1)
    assert collect_unnamed(market, now + UNNAMED_KEPT_SECONDS - 1).removed == 0
    market.home.write_secret(NOTES_FILE, b"not JSON")
    assert collect_unnamed(market, now + 20 * UNNAMED_KEPT_SECONDS) == Collected(0, 1)
    assert left in stored(stall)


def test_a_refused_move_leaves_no_packed_bytes(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, a=9000, b=9100, c=1500, d=1600)
    compared = stall.market.database.read_now(compare, read_folder(folder, 500, 2), 4)
    run_import_of(stall, compared)
    before = stored(stall)
    proposal = stall.market.database.run_now(propose, 2)

    def refuse(*_arguments: object) -> None:
        raise BadArgument("It was changed meanwhile.")

    monkeypatch.setattr(shelf_moves, "_carry_out", refuse)
    packed = 0
    with pytest.raises(BadArgument):
        for _ in apply_proposal(stall.market, proposal, os.urandom):
            packed += 1
    assert packed
    assert stored(stall) == before


async def test_a_running_shop_collects_what_nothing_names_in_its_own_folder(
    stall: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    from veilmart.merchant.server import running
    from veilmart.merchant.server.shared_tunnels import NotShared

    market = stall.market
    left = market.store.put([b"left by a killed import"], 23)
    await running.collect(market, stall.now)
    assert left in stored(stall)
    monkeypatch.setattr(running, "COLLECT_EVERY_SECONDS", 0.01)
    stall.state.clock = lambda: stall.now + UNNAMED_KEPT_SECONDS

    async def until_collected() -> None:
        async with asyncio.timeout(60):
            while left in stored(stall):
                await asyncio.sleep(0.01)

    await running._run(market, stall.state, NotShared(), until_collected())
    assert left not in stored(stall)


async def test_a_bucket_that_another_merchant_may_share_is_left_alone(stall: Stall) -> None:
    from veilmart.merchant.server import running

    class Shared:
        def roots(self) -> object:
            raise AssertionError("A store that may be shared was looked through.")

    store: Any = Shared()
    await running.collect(dataclasses.replace(stall.market, store=store), stall.now)
