"""What strangers do to a broker; `python -m tests.hostile.attacks NAME LINK SECONDS`.

Each attack runs for `seconds`, or until its number is done, and counts what became of it.
"""

import asyncio
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tests.hostile import stream_attacks
from tests.hostile.raw import Counts, Raw, descriptor_of, hello, shake_hands
from tests.hostile.workers import Worker, many
from veilmart.crypto.padding import pad_message
from veilmart.crypto.suite import suite_by_id
from veilmart.protocol import handshake, labels
from veilmart.protocol.address import Link, parse_link
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import (
    GetMerchant,
    Login,
    MerchantDescriptor,
    Open,
    Opened,
    Start,
    Welcome,
)
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.handshake import SessionKeys
from veilmart.protocol.tunnel import PendingRequest, cells_for

SLOW_SOCKETS = 1000
CROWD = 2600  # more than one server takes
HANDSHAKES = 10_000
AT_ONCE = 64
HUGE_BYTES = 100 * 1024 * 1024
NESTED = 60_000
TUNNELS = 3000
CHEAP, DEAR = 1, 2  # suites by what a handshake costs
HEAD = b"POST /v1/request HTTP/1.1\r\nHost: x\r\n"


def dripping(first: bytes) -> Worker:
    """`first`, and then one byte each second."""

    async def drip(link: Link, counts: Counts, ends: float) -> None:
        raw = await Raw.open(link)
        counts["opened"] += 1
        try:
            await raw.send(first)
            while True:
                if await _ended(raw, 1.0):
                    counts["cut"] += 1
                    return
                await raw.send(b"x")
        finally:
            raw.close()

    return drip


async def _ended(raw: Raw, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return not await raw.reader.read(1024)
    except TimeoutError:
        return False


async def slow_headers(link: Link, counts: Counts, seconds: float) -> None:
    await many(dripping(HEAD + b"X-Slow: "), SLOW_SOCKETS, link, counts, seconds)


async def slow_bodies(link: Link, counts: Counts, seconds: float) -> None:
    first = HEAD + b"Content-Length: 60000\r\n\r\n"
    await many(dripping(first), SLOW_SOCKETS, link, counts, seconds)


async def crowd(link: Link, counts: Counts, seconds: float) -> None:
    await many(dripping(b"P"), CROWD, link, counts, seconds)


def shaking(suite_id: int) -> Callable[[Link, Counts, float], Awaitable[None]]:
    """Handshakes as fast as they are answered. The same first message again costs us nothing."""

    async def attack(link: Link, counts: Counts, seconds: float) -> None:
        descriptor = await descriptor_of(link)
        body, _initiator = hello(descriptor, suite_by_id(suite_id))

        async def shake(link: Link, counts: Counts, ends: float) -> None:
            raw = await Raw.open(link)
            try:
                while counts["sent"] < HANDSHAKES:
                    counts["sent"] += 1
                    status, _answer = await raw.post("/v1/session", body)
                    counts["made" if status == 200 else "refused"] += 1
            finally:
                raw.close()
            await asyncio.sleep(max(0.0, ends - time.monotonic()))

        await many(shake, AT_ONCE * 4, link, counts, seconds)

    return attack


async def guess_passwords(link: Link, counts: Counts, seconds: float) -> None:
    """A new session for each guess, each at another name."""
    descriptor = await descriptor_of(link)

    async def guess(link: Link, counts: Counts, ends: float) -> None:
        raw = await Raw.open(link)
        try:
            while True:
                keys = await shake_hands(raw, descriptor, suite_by_id(CHEAP))
                if keys is None:
                    counts["refused"] += 1
                    continue
                name = (
                    f"honest{random.randrange(4)}" if random.random() < 0.1 else os.urandom(6).hex()
                )
                request = Login(username=name, password=os.urandom(8).hex(), device=b"")
                pending = PendingRequest(keys, request, request.cells, os.urandom)
                status, _body = await raw.post("/v1/request", pending.record)
                counts["guessed" if status == 200 else "refused"] += 1
        finally:
            raw.close()

    await many(guess, AT_ONCE, link, counts, seconds)


async def oversized(link: Link, counts: Counts, seconds: float) -> None:
    """Huge bodies announced, huge bodies unannounced, huge headers."""

    async def send(link: Link, counts: Counts, ends: float) -> None:
        raw = await Raw.open(link)
        kind = random.randrange(3)
        try:
            if kind == 0:
                await raw.send(HEAD + f"Content-Length: {HUGE_BYTES}\r\n\r\n".encode())
            elif kind == 1:
                await raw.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
            else:
                await raw.send(HEAD)
            block = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
            for _ in range(64):
                await raw.send(block if kind == 1 else b"x" * 0x10000)
                if kind == 0:
                    status, _answer = await raw.answer()
                    counts[str(status)] += 1
                    return
            status, _answer = await raw.answer()
            counts[str(status)] += 1
        finally:
            raw.close()

    await many(send, AT_ONCE, link, counts, seconds)


async def nested(link: Link, counts: Counts, seconds: float) -> None:
    """Arrays in arrays, plain and inside a session, and records of junk on a real session."""
    descriptor = await descriptor_of(link)
    deep = b"\x91" * NESTED + b"\xc0"

    async def send(link: Link, counts: Counts, ends: float) -> None:
        raw = await Raw.open(link)
        try:
            keys = await shake_hands(raw, descriptor, suite_by_id(CHEAP))
            while keys is not None:
                junk = keys.session_id + os.urandom(24 + 32 + 1024)
                for body in (deep, junk, sealed(keys, deep), os.urandom(1600)):
                    status, _answer = await raw.post("/v1/request", body)
                    counts[str(status)] += 1
        finally:
            raw.close()

    await many(send, AT_ONCE, link, counts, seconds)


def sealed(keys: SessionKeys, body: bytes) -> bytes:
    """A request record around `body`, whatever it is."""
    nonce, padded = os.urandom(24), pad_message(body, cells_for(len(body)))
    cipher = keys.suite.cipher
    return (
        keys.session_id
        + nonce
        + cipher.seal(keys.request_key, labels.USE_REQUEST, nonce, keys.session_id, padded)
    )


async def half_open_tunnels(link: Link, counts: Counts, seconds: float) -> None:
    """Tunnels to the merchant that nobody uses."""
    descriptor = await descriptor_of(link)

    async def open_all(link: Link, counts: Counts, ends: float) -> None:
        raw = await Raw.open(link)
        try:
            keys = await shake_hands(raw, descriptor, suite_by_id(CHEAP))
            if keys is not None:
                await open_tunnels(raw, keys, link.merchant or b"", counts)
        finally:
            raw.close()
        await asyncio.sleep(max(0.0, ends - time.monotonic()))

    await many(open_all, AT_ONCE // 4, link, counts, seconds)


async def open_tunnels(raw: Raw, keys: SessionKeys, merchant: bytes, counts: Counts) -> None:
    """Until there are TUNNELS of them."""
    welcome = await ask(raw, keys, Start(), Welcome)
    number = welcome.request_number
    papers = await ask(raw, keys, GetMerchant(fingerprint=merchant, serial=0), MerchantDescriptor)
    shop = read_descriptor(papers.signed)
    suite = shop.descriptor.suites()[0]
    while counts["opened"] < TUNNELS:
        prologue = handshake.prologue(labels.PROLOGUE_CUSTOMER_MERCHANT, suite, shop.hash, number)
        key = shop.descriptor.tunnel_key(suite)
        message = handshake.CertifiedInitiator(suite, prologue, key, os.urandom).message1
        request = Open(
            request_number=number,
            merchant=merchant,
            suite=suite.id,
            descriptor=shop.hash,
            message=message,
        )
        number = (await ask(raw, keys, request, Opened)).next_request_number
        counts["opened"] += 1


async def ask(raw: Raw, keys: SessionKeys, request: BrokerRequest, kind: type[Any]) -> Any:
    """One request inside a session."""
    pending = PendingRequest(keys, request, request.cells, os.urandom)
    _status, body = await raw.post("/v1/request", pending.record)
    return pending.open_answer(kind, body)


ATTACKS: Mapping[str, Callable[[Link, Counts, float], Awaitable[None]]] = {
    "slow headers": slow_headers,
    "slow bodies": slow_bodies,
    "crowd": crowd,
    "handshakes": shaking(CHEAP),
    "expensive handshakes": shaking(DEAR),
    "password guessing": guess_passwords,
    "oversized": oversized,
    "nested and junk": nested,
    "half-open tunnels": half_open_tunnels,
    "unread answers": stream_attacks.unread,
    "pings": stream_attacks.pings,
    "frames in flight": stream_attacks.in_flight,
    "dials": stream_attacks.dials,
}


def main() -> None:
    name, link, seconds = sys.argv[1:]
    counts: Counts = Counter()
    asyncio.run(ATTACKS[name](parse_link(link), counts, float(seconds)))  # type: ignore[arg-type]
    print(msgspec.json.encode(counts).decode(), flush=True)


if __name__ == "__main__":
    main()
