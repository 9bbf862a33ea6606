"""The running server over HTTP: a broker links, strangers try things, commands change the shop."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_merchant import NOW, FakeBroker
from tests.support.waiting import until
from veilmart.crypto import identity
from veilmart.crypto.suite import all_suites
from veilmart.errors import (
    DescriptorUnknown,
    HomeInUse,
    MalformedMessage,
    MerchantUnreachable,
    MessageTooLarge,
    NotYourBroker,
    OpenFailed,
    PortInUse,
    ServerFault,
    SessionUnknown,
    SignatureInvalid,
    UnknownSuite,
)
from veilmart.limits import BODY_MAX_BYTES
from veilmart.merchant.events import (
    BrokerAuthenticated,
    BrokerRefused,
    CatalogueChanged,
    Event,
    Faulted,
    Listening,
)
from veilmart.merchant.home import create_merchant, open_merchant
from veilmart.merchant.server import link_rules
from veilmart.merchant.server.running import serve_merchant
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import sources_in
from veilmart.protocol.descriptor import check_descriptor, read_descriptor
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.link import LinkInitiator
from veilmart.protocol.link_messages import (
    FetchDescriptor,
    FetchSegment,
    LinkDescriptor,
    LinkProof,
    LinkReady,
    SegmentFollows,
)
from veilmart.protocol.tunnel import PendingRequest
from veilmart.transport.client import HttpClient


class Running:
    """A merchant serving on a port of its own, and the broker's side of the wire."""

    def __init__(self, home: Path, broker: FakeBroker) -> None:
        self.home, self.broker = home, broker
        self.events: list[Event] = []
        self.stop = asyncio.Event()
        self.started: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.now = NOW

    async def serve(self) -> None:
        await serve_merchant(
            self.home,
            "127.0.0.1",
            0,
            clock=lambda: self.now,
            random=os.urandom,
            observe=self.events.append,
            stop=self.stop,
            on_started=self.started.set_result,
        )

    async def connect(self) -> None:
        self.port = await self.started
        self.client = HttpClient(f"127.0.0.1:{self.port}", MerchantUnreachable)
        self.signed = await self.client.get("/v1/descriptor", max_bytes=20_000)
        self.known = read_descriptor(self.signed)

    async def handshake(
        self, key: identity.IdentityKey | None = None
    ) -> tuple[SessionKeys, LinkProof]:
        suite = all_suites()[0]
        mine = self.broker.fingerprint
        start = LinkInitiator(suite, mine, self.known.fingerprint, os.urandom)
        body = bytes([suite.id]) + mine + start.message1
        message2 = await self.client.post("/v1/link", body, max_bytes=10_000)
        keys = start.finish(message2, self.known.descriptor.identity)
        signature = start.proof(keys, key or self.broker.key)
        return keys, LinkProof(signature=signature, descriptor=self.broker.known.signed)

    async def ask(self, keys: SessionKeys, message: object, kind: type[Any]) -> Any:
        pending = PendingRequest(keys, message, message.cells, os.urandom)  # type: ignore
        answer = await self.client.post(
            "/v1/link/request", pending.record, max_bytes=BODY_MAX_BYTES
        )
        return pending.open_answer(kind, answer)

    async def link(self) -> SessionKeys:
        keys, proof = await self.handshake()
        assert await self.ask(keys, proof, LinkReady) == LinkReady(serial=1, heard=0)
        return keys


@pytest.fixture
async def running(home: Path, broker: FakeBroker) -> AsyncIterator[Running]:
    running = Running(home, broker)
    serving = asyncio.create_task(running.serve())
    await running.connect()
    yield running
    await running.client.aclose()
    running.stop.set()
    await serving


async def test_the_broker_links_and_both_are_authenticated(running: Running) -> None:
    check_descriptor(
        running.signed,
        role="merchant",
        fingerprint=running.known.fingerprint,
        now=NOW,
        known=None,
    )
    keys = await running.link()
    found = await running.ask(keys, FetchDescriptor(serial=0), LinkDescriptor)
    assert found == LinkDescriptor(signed=running.signed)
    assert running.events == [
        Listening("127.0.0.1", running.port),
        BrokerAuthenticated(running.broker.fingerprint),
    ]


async def test_a_stranger_with_the_brokers_fingerprint_is_refused(
    running: Running, merchant_key: identity.IdentityKey
) -> None:
    keys, proof = await running.handshake(merchant_key)
    with pytest.raises(SignatureInvalid):
        await running.ask(keys, proof, LinkReady)
    with pytest.raises(SessionUnknown):
        await running.ask(keys, proof, LinkReady)
    assert isinstance(running.events[-1], BrokerRefused)


async def test_another_brokers_fingerprint(running: Running) -> None:
    with pytest.raises(NotYourBroker):
        await running.client.post("/v1/link", b"\1" + bytes(32 + 1216), max_bytes=10_000)
    with pytest.raises(UnknownSuite):
        body = b"\x09" + running.broker.fingerprint + bytes(1216)
        await running.client.post("/v1/link", body, max_bytes=10_000)


async def test_nothing_works_before_the_proof(running: Running) -> None:
    keys, proof = await running.handshake()
    with pytest.raises(SessionUnknown):
        await running.ask(keys, FetchSegment(order=bytes(32), index=0, held_at=0), SegmentFollows)
    with pytest.raises(SessionUnknown):
        await running.ask(keys, proof, LinkReady)


async def test_a_proof_replayed_on_another_session_is_refused(running: Running) -> None:
    _, proof = await running.handshake()
    keys, _ = await running.handshake()
    with pytest.raises(SignatureInvalid):
        await running.ask(keys, proof, LinkReady)


async def test_a_broker_that_shows_an_older_descriptor_is_refused(running: Running) -> None:
    old = running.broker.known
    running.broker.renew(price_points=[100, 500])
    await running.link()
    await asyncio.sleep(0)
    running.broker.known = old
    for _ in range(2400):  # the shop is loaded anew by the watch
        keys, proof = await running.handshake()
        try:
            await running.ask(keys, proof, LinkReady)
        except NotYourBroker:
            return
        await asyncio.sleep(0.05)
    pytest.fail("The older descriptor was accepted again and again.")


async def test_flipped_bits_neither_close_nor_advance_the_link(running: Running) -> None:
    keys = await running.link()
    message = FetchDescriptor(serial=0)
    for position in (16, 40, 41, 200, -33, -1):
        pending = PendingRequest(keys, message, 1, os.urandom)
        changed = bytearray(pending.record)
        changed[position] ^= 1
        with pytest.raises(OpenFailed):
            await running.client.post("/v1/link/request", bytes(changed), max_bytes=30_000)
    with pytest.raises(SessionUnknown):
        changed = bytearray(PendingRequest(keys, message, 1, os.urandom).record)
        changed[0] ^= 1
        await running.client.post("/v1/link/request", bytes(changed), max_bytes=30_000)
    await running.ask(keys, message, LinkDescriptor)


async def test_a_replayed_request_is_answered_anew(running: Running) -> None:
    keys = await running.link()
    pending = PendingRequest(keys, FetchDescriptor(serial=0), 1, os.urandom)
    first = await running.client.post("/v1/link/request", pending.record, max_bytes=30_000)
    second = await running.client.post("/v1/link/request", pending.record, max_bytes=30_000)
    assert first[:24] != second[:24] and len(first) == len(second)


@pytest.mark.parametrize("body", [b"", b"\1", bytes(33), bytes(88), bytes(16 + 56 + 1023)])
async def test_bodies_that_are_cut_short(running: Running, body: bytes) -> None:
    for path in ("/v1/link", "/v1/link/request"):
        with pytest.raises((MalformedMessage, SessionUnknown, UnknownSuite)):
            await running.client.post(path, body, max_bytes=1000)


async def test_bodies_that_are_too_large(running: Running) -> None:
    for path in ("/v1/link", "/v1/link/request"):
        with pytest.raises(MessageTooLarge):
            await running.client.post(path, bytes(300_000), max_bytes=1000)


async def test_the_proof_runs_out(running: Running) -> None:
    keys, proof = await running.handshake()
    running.now += 31
    with pytest.raises(SessionUnknown):
        await running.ask(keys, proof, LinkReady)


async def test_descriptors_by_serial(running: Running) -> None:
    assert await running.client.get("/v1/descriptor/1", max_bytes=20_000) == running.signed
    for serial in ("2", "0", "x", "-1", "99999999999999999999"):
        with pytest.raises(DescriptorUnknown):
            await running.client.get(f"/v1/descriptor/{serial}", max_bytes=20_000)


async def test_what_a_command_adds_is_on_sale_within_a_second(
    running: Running, tmp_path: Path
) -> None:
    goods = tmp_path / "goods"
    goods.mkdir()
    (goods / "one").write_bytes(b"1")
    (goods / "two").write_bytes(b"2")
    with open_merchant(running.home) as market:
        add_now(market, tuple(sources_in(goods)), now=NOW, random=os.urandom)
    await until(lambda: CatalogueChanged(2, 2) in running.events)
    newer = read_descriptor(await running.client.get("/v1/descriptor", max_bytes=20_000))
    assert newer.descriptor.serial == 2
    assert newer.descriptor.previous == running.known.hash
    assert newer.descriptor.tunnel_keys == running.known.descriptor.tunnel_keys


async def test_one_server_per_home_and_port(running: Running, home: Path) -> None:
    second = Running(home, running.broker)
    with pytest.raises(HomeInUse):
        await second.serve()


async def test_a_taken_port(running: Running, tmp_path: Path, broker: FakeBroker) -> None:
    other = tmp_path / "other"
    create_merchant(other, "other", "http://127.0.0.1:8000", broker.known)
    with pytest.raises(PortInUse):
        await serve_merchant(
            other,
            "127.0.0.1",
            running.port,
            clock=lambda: NOW,
            random=os.urandom,
            observe=lambda _event: None,
            stop=asyncio.Event(),
            on_started=lambda _port: None,
        )


async def test_an_unexpected_exception_is_one_answer_and_not_the_end(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = await running.link()

    def broken(*_: object) -> None:
        raise KeyError("secret")

    with monkeypatch.context() as patched:
        patched.setattr(link_rules, "show_descriptor", broken)
        with pytest.raises(ServerFault):
            await running.ask(keys, FetchDescriptor(serial=0), LinkDescriptor)
    assert Faulted("KeyError") in running.events
    await running.ask(keys, FetchDescriptor(serial=0), LinkDescriptor)
