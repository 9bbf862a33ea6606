"""Token keys over time: made, listed, rotated, retired, restored; what is published of them."""

import asyncio
import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from tests.broker.called import run
from tests.broker.maintenance.folded import MONTHS, kinds
from tests.broker.tokens.checking import check
from tests.support.broker_market import Market, Served
from tests.support.engines import both_engines
from tests.support.scripted_broker import PRICE, START
from tests.support.token_wallet import TokenWallet
from veilmart.broker import settings
from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.events import BooksFolded, TokenKeyRetired
from veilmart.broker.home import BrokerHome, open_home, renew_descriptor
from veilmart.broker.keys import token_keys
from veilmart.broker.schema import tables
from veilmart.broker.schema.token_tables import (
    ORDER_KEYS,
    published,
    published_pages,
    spent_tokens,
    token_issues,
    token_keys as key_table,
)
from veilmart.broker.server.public_endpoints import PublicLists
from veilmart.broker.tokens import key_retirement, published_prefixes
from veilmart.broker.tokens.key_totals import key_totals
from veilmart.errors import (
    BadArgument,
    BrokerUnreachable,
    OperationConflict,
    TokenKeyEnded,
    TooLateToRefund,
    UnsignedAnswer,
    WrongOrderState,
)
from veilmart.limits import EPOCH_SECONDS, PRICE_POINTS_MAX, TOKEN_KEYS_MAX
from veilmart.protocol.customer_messages import Acknowledge, Cancel, Release
from veilmart.protocol.token_messages import ListIssues
from veilmart.storage.backup.backup import back_up
from veilmart.storage.backup.restore import restore
from veilmart.transport.client import HttpClient

POINTS = 6
SWEEPS = 13  # the first of them looks at keys, or the last


async def sweep(market: Market) -> None:
    for _ in range(SWEEPS):
        await market.broker.sweep()


def epochs(market: Market) -> dict[int, int]:
    """epoch → number of keys that live."""
    found: dict[int, int] = {}
    for row in market.run(token_keys.living):
        found[row.epoch] = found.get(row.epoch, 0) + 1
    return found


def secrets(market: Market) -> Sequence[Any]:
    return market.run(lambda c: c.execute(select(key_table.c.epoch, key_table.c.secret)).all())


@both_engines
async def test_keys_come_a_day_early_and_end_sixty_days_after_their_epoch(market: Market) -> None:
    first = token_keys.epoch_of(START)
    assert epochs(market) == {first: POINTS}
    market.clock.now = (first + 1) * EPOCH_SECONDS - 24 * 3600 - 1
    await sweep(market)
    assert epochs(market) == {first: POINTS}
    market.clock.now += 1
    await sweep(market)
    assert epochs(market) == {first: POINTS, first + 1: POINTS}
    listed = market.broker.state.own.newest.public.descriptor.extensions["tokens"]
    assert listed == token_keys.listed(market.run(token_keys.living))
    market.clock.now = token_keys.spend_until(first) - 1
    await sweep(market)
    assert first in epochs(market)
    market.clock.now += 1
    await sweep(market)
    assert first not in epochs(market)
    assert [e for e in market.events if isinstance(e, TokenKeyRetired)]
    assert all(secret is None for epoch, secret in secrets(market) if epoch == first)
    assert all(secret for epoch, secret in secrets(market) if epoch != first)
    check(market)


@both_engines
async def test_what_is_outstanding_expires_with_its_key(market: Market) -> None:
    session, wallet = await market.customer("anna", 20_00), TokenWallet(market)
    tokens = await wallet.withdraw(session, 3)
    key = wallet.key()
    order = await market.offered(market.session())
    await wallet.spend(order, tokens[0])
    await market.ask(market.session(), market.act(Release, order))
    await market.ask(market.session(), market.act(Acknowledge, order))
    market.clock.now = token_keys.spend_until(key.epoch)
    await sweep(market)
    (line,) = [line for line in market.run(key_totals) if line.id == key.id]
    assert (line.withdrawn, line.redeemed, line.expired, line.outstanding) == (3, 1, 2, 0)
    assert TokenKeyRetired(PRICE, key.epoch, 2) in market.events
    assert market.run(lambda conn: conn.execute(select(token_issues)).all()) == []
    assert market.run(published_prefixes.read_page, key.number, 0) == b""
    # Its refund key is over as well, and the order folded: nothing of the token is left either.
    assert market.run(lambda conn: conn.execute(select(spent_tokens)).all()) == []
    check(market)


@both_engines
async def test_two_processes_make_one_key_for_a_price_and_epoch(market: Market) -> None:
    later = market.clock() + EPOCH_SECONDS
    run_now = market.opened.database.run_now
    wanted = run_now(token_keys.missing, later)
    assert len(wanted) == POINTS
    make = asyncio.to_thread
    await asyncio.gather(*(make(token_keys.make_missing, run_now, wanted[:2]) for _ in range(4)))
    rows = market.run(lambda c: c.execute(select(key_table.c.price, key_table.c.epoch)).all())
    assert len(set(rows)) == len(rows) == POINTS + 2
    accounts = select(tables.accounts.c.id).where(tables.accounts.c.kind == "tokens")
    assert len(market.run(lambda c: c.execute(accounts).all())) == POINTS + 2


@both_engines
async def test_an_order_whose_refund_key_was_retired(market: Market) -> None:
    """Only an operator's own retirement can do that: the customer may finish, not cancel."""
    session, wallet = await market.customer("anna", 10_00), TokenWallet(market)
    first, second = await wallet.withdraw(session, 2)
    orders = [await market.offered(market.session()) for _ in range(2)]
    await wallet.spend(orders[0], first)
    await wallet.spend(orders[1], second)
    market.run(key_retirement.retire, wallet.key(), market.clock())
    with pytest.raises(TooLateToRefund):
        await market.ask(market.session(), market.act(Cancel, orders[0]))
    await market.ask(market.session(), market.act(Release, orders[1]))
    await market.ask(market.session(), market.act(Acknowledge, orders[1]))
    market.clock.now += 3600
    await sweep(market)
    assert (await market.ask(market.session(), market.status(orders[0]))).state == "refunded"
    check(market)


@both_engines
async def test_new_price_points_get_keys_and_old_ones_keep_theirs(market: Market) -> None:
    market.run(token_keys.set_price_points, (500, 700), market.clock())
    await market.broker.look()
    prices = sorted(row.price for row in market.run(token_keys.living))
    assert prices == [100, 200, 500, 700, 1000, 2000, 5000]
    session, wallet = await market.customer("anna", 10_00), TokenWallet(market)
    await wallet.withdraw(session, 1, 700)
    with pytest.raises(TokenKeyEnded):
        await wallet.withdraw(session, 1, 100)


async def test_price_points_that_leave_no_room_for_keys(market: Market) -> None:
    for round_ in range(TOKEN_KEYS_MAX // PRICE_POINTS_MAX):
        rows = [
            {"id": os.urandom(32), "price": 10_000 + round_ * 100 + at, "epoch": 1, "account": 1}
            | {"spki": b"", "secret": b""}
            for at in range(PRICE_POINTS_MAX - 1)
        ]
        market.run(lambda conn, rows=rows: conn.execute(insert(key_table), rows).rowcount)
    with pytest.raises(BadArgument):
        market.run(token_keys.set_price_points, tuple(range(1, 33)), market.clock())
    assert market.run(settings.load).price_points == market.broker.state.settings.price_points


@both_engines
async def test_a_folded_month_keeps_what_refunds_need(market: Market) -> None:
    session, wallet = await market.customer("anna", 15_00), TokenWallet(market)
    tokens = await wallet.withdraw(session, 3)
    order, back = [await market.offered(market.session()) for _ in range(2)]
    request = wallet.spending(order, tokens[0])
    await market.ask(market.session(), request)
    await wallet.spend(back, tokens[1])
    await market.ask(market.session(), market.act(Cancel, back))
    await market.ask(market.session(), market.act(Release, order))
    await market.ask(market.session(), market.act(Acknowledge, order))
    market.clock.now += MONTHS - 5 * 24 * 3600
    await sweep(market)
    assert any(isinstance(event, BooksFolded) for event in market.events)
    assert set(kinds(market)) == {"fold"}
    check(market)
    assert await wallet.refund(back)
    # The receipt is gone, the token still is spent.
    with pytest.raises(WrongOrderState):
        await market.ask(market.session(), request)
    other = msgspec.structs.replace(request, token=tokens[2])
    with pytest.raises(OperationConflict):
        await market.ask(market.session(), other)
    listed = await market.ask(session, ListIssues(key=request.refund_key, start=0))
    assert [entry.count for entry in listed.entries] == [3]


async def test_full_pages_are_closed_and_never_change(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published_prefixes, "PREFIXES_PER_PAGE", 4)
    for name in ("_open", "_oldest"):
        query = getattr(published_prefixes, name)
        monkeypatch.setattr(published_prefixes, name, query.limit(4))
    lists = published_prefixes
    having = select(published.c.list).group_by(published.c.list)
    monkeypatch.setattr(
        lists,
        "_lists",
        having.having(lists.func.count() >= 4).order_by(published.c.list),  # type: ignore[attr-defined]
    )
    prefixes = [os.urandom(8) for _ in range(11)]
    for at, prefix in enumerate(prefixes):
        row = {"list": ORDER_KEYS, "prefix": prefix}
        market.run(lambda conn, row=row: conn.execute(insert(published), row).rowcount)
        if at in (4, 9):
            pages = [market.run(lists.read_page, ORDER_KEYS, page) for page in range(4)]
            assert market.run(lists.full_lists) == [ORDER_KEYS]
            assert market.run(lists.close_page, ORDER_KEYS)
            assert not market.run(lists.close_page, ORDER_KEYS)
            assert pages == [market.run(lists.read_page, ORDER_KEYS, page) for page in range(4)]
    wanted = [b"".join(sorted(prefixes[at : at + 4])) for at in (0, 4, 8)]
    assert [market.run(lists.read_page, ORDER_KEYS, page) for page in range(4)] == [*wanted, b""]
    assert len(market.run(lambda conn: conn.execute(select(published_pages)).all())) == 2


# ---- a restored broker -------------------------------------------------------------------------


async def test_a_restored_broker_signs_refunds_and_makes_no_second_key(
    market: Market, tmp_path: Path
) -> None:
    opened = market.opened
    session, wallet = await market.customer("anna", 5_00), TokenWallet(market)
    (token,) = await wallet.withdraw(session)
    order = await market.offered(market.session())
    await wallet.spend(order, token)
    await market.ask(market.session(), market.act(Cancel, order))
    first, issued = token_keys.epoch_of(START), wallet.key()
    archive = tmp_path / "b.tar"
    back_up(opened.home, LAYOUT, archive, identity=opened.fingerprint, now=market.clock())
    opened.database.close()
    restore(archive, opened.home.path, LAYOUT, identity=opened.fingerprint, over_newer=True)
    with open_home(opened.home.path) as restored:
        run_now = restored.database.run_now
        # In the next epoch: its keys may have been made, and be known to wallets, and are lost.
        renew_descriptor(restored, START + EPOCH_SECONDS, os.urandom)
        assert {row.epoch for row in run_now(token_keys.living)} == {first}
        assert run_now(token_keys.load_keys).find(issued.id) is not None
        renew_descriptor(restored, START + 2 * EPOCH_SECONDS, os.urandom)
        assert {row.epoch for row in run_now(token_keys.living)} == {first, first + 2}


# ---- commands ------------------------------------------------------------------------------------


def lines(home: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    assert run("token", "list", "--json", home=home) == 0
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_token_list_and_retire(
    opened: BrokerHome, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = opened.home.path
    monkeypatch.setattr("veilmart.broker.cli.tokens.unix_now", lambda: START)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    found = lines(home, capsys)
    assert [line["state"] for line in found] == ["issuing"] * POINTS
    assert run("token", "retire", "xyz", "--yes", home=home) == 2
    assert "token list" in capsys.readouterr().err
    key = found[2]["id"]
    assert run("token", "retire", key[:8], home=home) == 2  # nobody to ask
    capsys.readouterr()
    assert lines(home, capsys)[2]["state"] == "issuing"
    assert run("token", "retire", key[:8], "--yes", home=home) == 0
    assert "retired" in capsys.readouterr().out
    assert lines(home, capsys)[2]["state"] == "retired"
    assert run("token", "retire", key[:8], "--yes", home=home) == 2
    capsys.readouterr()
    assert run("token", "list", home=home) == 0
    assert key[:8] in capsys.readouterr().out


# ---- what anybody may fetch ----------------------------------------------------------------------


async def test_lists_over_http(served: Served) -> None:
    rows = served.opened.database.run_now(token_keys.living)
    key = rows[0]
    async with HttpClient(f"127.0.0.1:{served.port}", BrokerUnreachable) as http:

        async def get(path: str) -> bytes:
            return await http.get(path, max_bytes=2**20)

        assert await get(f"/v1/token-key/{key.id.hex()}") == key.spki
        for page in ("0", "1", "999999999", "x", "-1", "9" * 40):
            assert await get(f"/v1/spent/{key.id.hex()}/{page}") == b""
        assert await get("/v1/order-keys/0") == b""
        line = msgspec.msgpack.decode(await get("/v1/solvency"))
        assert line["at"] == served.clock()
        assert [entry["id"] for entry in line["keys"]] == [row.id for row in rows]
        for wrong in ("00" * 32, "zz" * 32, "00", key.id.hex() + "00"):
            with pytest.raises(UnsignedAnswer, match="4150"):
                await get(f"/v1/token-key/{wrong}")
            with pytest.raises(UnsignedAnswer, match="4150"):
                await get(f"/v1/spent/{wrong}/0")
        served.opened.database.run_now(key_retirement.retire, key, served.clock())
        assert await get(f"/v1/token-key/{key.id.hex()}") == key.spki
        with pytest.raises(UnsignedAnswer, match="4153"):
            await get(f"/v1/spent/{key.id.hex()}/0")


async def test_a_page_is_read_anew_only_when_it_has_grown(market: Market) -> None:
    lists = PublicLists(market.opened.database, market.clock)
    where = (ORDER_KEYS, 0)
    assert set(lists._pages) == set()
    session = await market.customer("anna", 10_00)
    await market.ask(session, market.pay(await market.offered(session)))
    request: Any = type("Request", (), {"path_params": {"page": "0"}, "client": None})()
    first = await lists._page(ORDER_KEYS, request)
    kept = lists._pages[where]
    assert (await lists._page(ORDER_KEYS, request)).body == first.body
    assert lists._pages[where][1] is kept[1]
    await market.ask(session, market.pay(await market.offered(session)))
    assert len((await lists._page(ORDER_KEYS, request)).body) == 16
