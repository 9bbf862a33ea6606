"""Two merchant workers on one PostgreSQL database: links, tunnels, one order per tunnel."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_merchant import BROKER_URL, NOW, Customer, FakeBroker, Stall
from veilmart.crypto import identity
from veilmart.errors import SessionUnknown, UnknownRequestNumber, WrongOrderState
from veilmart.limits import REQUEST_NUMBER_SECONDS
from veilmart.merchant import home as market_home
from veilmart.merchant.effects import Reply
from veilmart.merchant.home import MerchantHome, create_merchant, open_merchant
from veilmart.merchant.sales.orders import load_sales
from veilmart.merchant.server.http_app import MerchantApp
from veilmart.merchant.server.shared_tunnels import SharedWithWorkers
from veilmart.merchant.server.state import MerchantState
from veilmart.protocol.link_messages import TunnelRelay
from veilmart.protocol.merchant_messages import CataloguePage, GetCatalogue, Offered
from veilmart.protocol.tunnel import PendingRequest
from veilmart.storage.session_rows.hourly_keys import RowKeys


class Worker:
    """One worker's memory; requests go through the application, as over HTTP."""

    def __init__(self, market: MerchantHome, stall: Stall) -> None:
        self.state = MerchantState(
            stall.state.shop, market.identity, lambda: stall.now, os.urandom, lambda _event: None
        )
        keys = RowKeys(market.home, os.urandom)
        self.sharing = SharedWithWorkers(market.database, keys, self.state)
        self.app = MerchantApp(market, self.state, self.sharing)

    async def ask(self, session_id: bytes, message: Any) -> Reply:
        await self.sharing.fetch_link(session_id)
        link = self.state.links.find(session_id, self.state.clock())
        return await self.app._answer(link, message)

    async def tell(self, link: bytes, customer: Customer, message: Any, kinds: Any) -> Any:
        pending = PendingRequest(customer.keys, message, message.cells, os.urandom)
        relay = TunnelRelay(request_number=customer.number, record=pending.record)
        reply: Any = (await self.ask(link, relay)).message
        return pending.open_answer(kinds, reply.record), reply.invoice


@pytest.fixture
def stall(
    tmp_path: Path,
    broker: FakeBroker,
    merchant_key: identity.IdentityKey,
    monkeypatch: pytest.MonkeyPatch,
    postgres: str,
) -> Iterator[Stall]:
    monkeypatch.setattr(market_home.identity, "generate_identity", lambda: merchant_key)  # type: ignore[attr-defined]
    home, goods = tmp_path / "merchant", tmp_path / "goods"
    create_merchant(home, "shop", BROKER_URL, broker.known, database=postgres)
    goods.mkdir()
    (goods / "alpha.txt").write_bytes(b"the first product\n" * 40)
    (goods / "beta.txt").write_bytes(b"another\n")
    with open_merchant(home) as market:
        yield Stall.open(market, broker, goods, NOW, os.urandom)


@pytest.fixture
def workers(stall: Stall) -> tuple[Worker, Worker]:
    pair = Worker(stall.market, stall), Worker(stall.market, stall)
    pair[0].sharing.make_tables()
    return pair


async def linked(stall: Stall, opened_by: Worker, proved_by: Worker) -> bytes:
    """A link's handshake at one worker, its proof at another; the session's id."""
    stall.state = opened_by.state
    _link, initiator, keys = stall.unproved()
    await opened_by.sharing.publish_link(keys.session_id)
    await proved_by.ask(keys.session_id, stall.proof(initiator, keys))
    return keys.session_id


async def tunnel(stall: Stall, worker: Worker, link: bytes) -> Customer:
    stall.state = worker.state
    await worker.sharing.fetch_link(link)
    customer = stall.customer(worker.state.links.find(link, stall.now))
    await worker.sharing.publish_tunnel(customer.number)
    return customer


async def test_every_request_meets_another_worker(
    stall: Stall, workers: tuple[Worker, Worker]
) -> None:
    first, second = workers
    link = await linked(stall, first, second)
    customer = await tunnel(stall, first, link)
    page, _ = await second.tell(link, customer, GetCatalogue(page=0, known=b""), CataloguePage)
    assert page.pages == 1
    choice = stall.selection(customer)
    offered, invoice = await first.tell(link, customer, choice, Offered)
    assert invoice
    assert await second.tell(link, customer, choice, Offered) == (offered, invoice)
    other = stall.selection(customer, "beta.txt")
    for worker in workers:
        with pytest.raises(WrongOrderState):
            await worker.tell(link, customer, other, Offered)


async def test_two_choices_at_once_become_one_order(
    stall: Stall, workers: tuple[Worker, Worker]
) -> None:
    first, second = workers
    link = await linked(stall, first, second)
    customer = await tunnel(stall, first, link)
    for worker in workers:  # both know the tunnel, and that nothing was chosen
        await worker.tell(link, customer, GetCatalogue(page=0, known=b""), CataloguePage)
    choice = stall.selection(customer)
    answers = [await worker.tell(link, customer, choice, Offered) for worker in workers]
    assert answers[0] == answers[1]
    assert sum(line.count for line in stall.market.database.run_now(load_sales)) == 2
    # The second one's own offer was sent to nobody and expires.


async def test_an_unproved_link_is_no_link_anywhere(
    stall: Stall, workers: tuple[Worker, Worker]
) -> None:
    first, second = workers
    stall.state = first.state
    _link, _initiator, keys = stall.unproved()
    await first.sharing.publish_link(keys.session_id)
    relay = TunnelRelay(request_number=bytes(16), record=bytes(2000))
    with pytest.raises(SessionUnknown):
        await second.ask(keys.session_id, relay)


async def test_tunnels_end(stall: Stall, workers: tuple[Worker, Worker]) -> None:
    first, second = workers
    link = await linked(stall, first, second)
    customer = await tunnel(stall, first, link)
    stall.now += REQUEST_NUMBER_SECONDS
    fresh = await linked(stall, first, second)
    with pytest.raises(UnknownRequestNumber):
        await second.tell(fresh, customer, GetCatalogue(page=0, known=b""), CataloguePage)
    await second.sharing.tidy()
