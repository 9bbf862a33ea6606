"""A merchant that dials, and others that do: strangers, impostors, a second one, cut streams."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.roles import Roles, product_of
from tests.support.streaming import RawPeer, raw_peer
from tests.support.waiting import until
from veilmart.broker import merchants as merchant_book
from veilmart.crypto.suite import all_suites
from veilmart.errors import BrokerUnreachable, MerchantUnreachable, OpenFailed, SessionUnknown
from veilmart.limits import HANDSHAKE_MAX_BYTES
from veilmart.merchant.events import BrokerAway, Event
from veilmart.merchant.home import open_merchant
from veilmart.merchant.publishing.brokers import PinnedBroker, load_brokers
from veilmart.merchant.server.dialling import Dialler
from veilmart.merchant.server.http_app import MerchantApp
from veilmart.merchant.server.running import open_shop
from veilmart.merchant.server.state import MerchantState
from veilmart.protocol import handshake, labels
from veilmart.protocol.stream_frames import Kind, encode_frame
from veilmart.transport.client import HttpClient
from veilmart.transport.stream_client import StreamClient


class Dialled:
    """The merchant of these roles, which dials and listens nowhere."""

    def __init__(self, roles: Roles) -> None:
        self.roles = roles
        self.told: list[Event] = []
        self.refusals = 0
        self.diallers: list[Dialler] = []

    async def refused(self, broker: PinnedBroker) -> None:
        self.refusals += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        roles = self.roles
        with open_merchant(roles.merchant_home) as market:
            shop = await open_shop(market, roles.clock, os.urandom)
            state = MerchantState(shop, market.identity, roles.clock, os.urandom, self.told.append)
            pinned = market.database.run_now(load_brokers)[0]
            broker = replace(pinned, url=f"http://{roles.broker.address}")
            answer = MerchantApp(market, state).asgi.answer_frame
            parts = (broker, market.fingerprint, answer, os.urandom, self.told.append)
            self.diallers.append(Dialler(*parts, self.refused))
            task = asyncio.create_task(self.diallers[-1].run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


def port_of(roles: Roles) -> int:
    return int(roles.broker.address.rpartition(":")[2])


def dial(number: int, merchant: bytes, process: bytes = bytes(16)) -> bytes:
    return encode_frame(number, Kind.DIAL, merchant + process)


async def refused(peer: RawPeer, number: int) -> None:
    correlation, kind, _body = await peer.next()
    assert (correlation, kind) == (number, Kind.ERROR)


async def buy(roles: Roles, name: str, out: Path) -> None:
    shopper = await roles.connect(name)
    menu = await shopper.browse(roles.merchant_print)
    await shopper.buy(menu, product_of(menu, "june.txt"), out)
    await roles.check_books()
    await roles.check_customer(name)


async def test_a_shop_behind_a_wall_sells_and_comes_back_after_a_cut(
    roles: Roles, tmp_path: Path
) -> None:
    await roles.merchant.stop()
    await roles.customer("maria")
    dialled = Dialled(roles)
    links = roles.links[-1]
    links.renew()
    async with dialled.running():
        await until(lambda: links.linked(roles.merchant_print))
        await buy(roles, "maria", tmp_path / "1")
        for line in links._all_lines():
            await line.client.aclose()
        await until(lambda: links._dialled.get(roles.merchant_print))
        await buy(roles, "maria", tmp_path / "2")
    assert not [event for event in dialled.told if isinstance(event, BrokerAway)]
    assert dialled.refusals == 0
    await until(lambda: not links._dialled.get(roles.merchant_print))


async def test_a_broker_that_restarts_is_dialled_again(roles: Roles, tmp_path: Path) -> None:
    await roles.merchant.stop()
    await roles.customer("maria")
    async with Dialled(roles).running():
        await until(lambda: roles.links[-1]._dialled.get(roles.merchant_print))
        first = roles.links[-1]
        for line in first._all_lines():
            await line.client.aclose()
        first.renew()
        await until(lambda: first._dialled.get(roles.merchant_print))
        await buy(roles, "maria", tmp_path / "out")


async def test_a_stranger_that_dials_is_told_no_and_asked_nothing(roles: Roles) -> None:
    async with raw_peer(port_of(roles)) as peer:
        peer.send(dial(1, os.urandom(32)))
        await refused(peer, 1)
        assert not peer.frames
        peer.send(encode_frame(2, Kind.GET, b"/v1/healthz"))
        assert await peer.next() == (2, Kind.ANSWER, b"")


@pytest.mark.parametrize("length", [0, 31, 47, 49])
async def test_a_dial_that_does_not_say_who(roles: Roles, length: int) -> None:
    async with raw_peer(port_of(roles)) as peer:
        peer.send(encode_frame(1, Kind.DIAL, bytes(length)))
        await refused(peer, 1)


async def test_an_impostor_displaces_nobody(roles: Roles, tmp_path: Path) -> None:
    """It says the merchant's name and cannot sign for it."""
    await roles.customer("maria")
    links = roles.links[-1]
    await until(lambda: links.linked(roles.merchant_print))
    async with raw_peer(port_of(roles)) as peer:
        peer.send(dial(1, roles.merchant_print))
        correlation, kind, _hello = await peer.next()
        assert kind == Kind.LINK
        peer.send(encode_frame(correlation, Kind.ANSWER, os.urandom(2000)))
        await refused(peer, 1)
        assert not links._dialled.get(roles.merchant_print)
        await buy(roles, "maria", tmp_path)


async def test_a_handshake_on_a_stream_that_is_a_link_already(roles: Roles) -> None:
    async with raw_peer(port_of(roles)) as peer:
        peer.send(dial(1, roles.merchant_print))
        _correlation, kind, _hello = await peer.next()
        assert kind == Kind.LINK
        peer.send(dial(2, roles.merchant_print))
        await refused(peer, 2)


@pytest.mark.parametrize("kind", [StreamClient, HttpClient])
async def test_a_handshake_where_there_is_a_session_makes_another_one(
    roles: Roles, kind: type[StreamClient | HttpClient]
) -> None:
    """Sessions do not belong to a stream: both live, also one begun by the same message again."""
    suite, broker = all_suites()[0], roles.opened_descriptor()
    prologue = handshake.prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, broker.hash)
    key = broker.descriptor.tunnel_key(suite)
    initiator = handshake.CertifiedInitiator(suite, prologue, key, os.urandom)
    body = bytes([suite.id]) + broker.hash + initiator.message1
    async with kind(roles.broker.address, BrokerUnreachable) as asked:
        made = [
            (await asked.post("/v1/session", body, max_bytes=HANDSHAKE_MAX_BYTES))[
                : handshake.SESSION_ID_BYTES
            ]
            for _ in range(2)
        ]
        assert made[0] != made[1]
        for session in made:
            with pytest.raises(OpenFailed):
                await asked.post("/v1/request", session + bytes(24 + 32 + 1024), max_bytes=4096)
        with pytest.raises(SessionUnknown):
            await asked.post("/v1/request", bytes(16 + 24 + 32 + 1024), max_bytes=4096)


async def test_the_same_process_that_dials_again_takes_its_own_place(
    roles: Roles, tmp_path: Path
) -> None:
    await roles.merchant.stop()
    await roles.customer("maria")
    links = roles.links[-1]
    dialled = Dialled(roles)
    async with dialled.running():
        await until(lambda: len(links._dialled.get(roles.merchant_print, {})) == 1)
        first = list(links._dialled[roles.merchant_print].values())
        assert not await dialled.diallers[0]._dial(), "no other process of the broker was reached"
        assert len(links._dialled[roles.merchant_print]) == 1
        assert list(links._dialled[roles.merchant_print].values()) != first
        await buy(roles, "maria", tmp_path / "1")


async def test_two_processes_of_one_merchant_have_a_stream_each(
    roles: Roles, tmp_path: Path
) -> None:
    await roles.merchant.stop()
    await roles.customer("maria")
    links = roles.links[-1]
    async with Dialled(roles).running():
        await until(lambda: len(links._dialled.get(roles.merchant_print, {})) == 1)
        async with Dialled(roles).running():
            await until(lambda: len(links._dialled.get(roles.merchant_print, {})) == 2)
        await until(lambda: len(links._dialled.get(roles.merchant_print, {})) == 1)
        await buy(roles, "maria", tmp_path / "1")


async def test_a_suspended_merchant_may_dial_and_gets_no_new_customers(
    roles: Roles, tmp_path: Path
) -> None:
    await roles.merchant.stop()
    shopper = await roles.customer("maria")
    view = next(iter(await roles.database.run(merchant_book.load_merchants)))
    await roles.database.run(merchant_book.suspend, view)
    links = roles.links[-1]
    async with Dialled(roles).running():
        await until(lambda: links._dialled.get(roles.merchant_print))
        merchants = links._state.merchants
        await until(lambda: merchants.known(roles.merchant_print).state != merchant_book.ADMITTED)
        with pytest.raises(Exception, match="suspended"):
            await shopper.browse(roles.merchant_print)


async def test_a_merchant_that_has_hung_up_is_unreachable(roles: Roles) -> None:
    await roles.merchant.stop()
    links = roles.links[-1]
    async with Dialled(roles).running():
        await until(lambda: links._dialled.get(roles.merchant_print))
    await until(lambda: not links._dialled.get(roles.merchant_print))
    with pytest.raises(MerchantUnreachable):
        await links.link(roles.merchant_print)
