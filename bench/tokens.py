"""Tokens at the broker: signed over HTTP per second, and spent with a million spent before.

The broker is a process of its own with one worker; the client beside it has blinded everything
before the clock starts. The bare CRT rate is taken in the same run, in turns with it.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.blind import bare_crt_seconds
from bench.purchases import process_cpu_seconds
from bench.spent_rows import open_books
from veilmart.crypto.suite import all_suites
from veilmart.crypto.token_key import generate_token_key, parse_token_key
from veilmart.demo.processes import Server, run_command
from veilmart.errors import BrokerUnreachable
from veilmart.limits import BODY_MAX_BYTES, TOKENS_PER_REQUEST_MAX
from veilmart.protocol import labels
from veilmart.protocol.broker_request import BrokerRequest
from veilmart.protocol.customer_messages import Register, Welcome
from veilmart.protocol.descriptor import read_descriptor
from veilmart.protocol.handshake import CertifiedInitiator, SessionKeys, prologue
from veilmart.protocol.token import blind_token
from veilmart.protocol.token_messages import Issue, Issued
from veilmart.protocol.tunnel import PendingRequest
from veilmart.protocol.wallet_derivations import token_secrets
from veilmart.transport.client import HttpClient

ACCOUNTS = 4
PACKS = 8  # of 32 tokens, for each account and turn
TURNS = 3
BARE_CALLS = 200
SPENT_BEFORE = 1_000_000
SPENDS = 500
_ENTRY_BYTES = 48


class Client:
    """One account in one session, asking for one pack after another."""

    def __init__(self, port: int, name: str) -> None:
        self._http = HttpClient(f"127.0.0.1:{port}", BrokerUnreachable)
        self._name = name
        self._keys: SessionKeys | None = None
        self._wallet = os.urandom(16)
        self._seed = os.urandom(32)
        self._first = 0
        self._packs: list[Issue] = []

    async def enter(self) -> bytes:
        """Register; the broker's signed descriptor."""
        signed = await self._http.get("/v1/descriptor", max_bytes=BODY_MAX_BYTES)
        known, suite = read_descriptor(signed), all_suites()[0]
        initiator = CertifiedInitiator(
            suite,
            prologue(labels.PROLOGUE_CUSTOMER_BROKER, suite, known.hash),
            known.descriptor.tunnel_key(suite),
            os.urandom,
        )
        body = bytes([suite.id]) + known.hash + initiator.message1
        answer = await self._http.post("/v1/session", body, max_bytes=BODY_MAX_BYTES)
        self._keys = initiator.finish(answer[:16], answer[16:])
        await self.ask(Register(username=self._name, password="bench password"), Welcome)
        return signed

    async def prepare(self, key_id: bytes) -> None:
        """Blind the packs of one turn."""
        path = f"/v1/token-key/{key_id.hex()}"
        key = parse_token_key(await self._http.get(path, max_bytes=BODY_MAX_BYTES))
        for _ in range(PACKS):
            count = range(self._first, self._first + TOKENS_PER_REQUEST_MAX)
            blinded = (blind_token(key, token_secrets(self._seed, key, c)) for c in count)
            request = Issue(
                request=os.urandom(16),
                wallet=self._wallet,
                key=key_id,
                first=self._first,
                blinded=b"".join(blinded),
            )
            self._packs.append(request)
            self._first += TOKENS_PER_REQUEST_MAX

    async def withdraw(self) -> None:
        """Ask for every prepared pack."""
        while self._packs:
            await self.ask(self._packs.pop(), Issued)

    async def ask(self, message: BrokerRequest, kind: type[Any]) -> Any:
        assert self._keys is not None
        pending = PendingRequest(self._keys, message, message.cells, os.urandom)
        body = await self._http.post("/v1/request", pending.record, max_bytes=BODY_MAX_BYTES)
        return pending.open_answer(kind, body)

    async def aclose(self) -> None:
        await self._http.aclose()


async def issuing(folder: Path) -> dict[str, Any]:
    """Tokens per second of wall time and of the broker's processor time."""
    home = str(folder / "broker")
    await run_command("broker", "init", "--home", home)
    bare_key = generate_token_key()
    async with Server("broker", "run", "--home", home, "--port", "0") as broker:
        clients = [Client(int(broker.address.rpartition(":")[2]), f"c{n}") for n in range(ACCOUNTS)]
        for client in clients:
            signed = await client.enter()
        for number in range(ACCOUNTS):
            await run_command("broker", "credit", f"c{number}", "1000000", "--home", home)
        listed = read_descriptor(signed).descriptor.extensions["tokens"]
        key_id = listed[:_ENTRY_BYTES][:32]
        best: dict[str, Any] = {}
        for turn in range(TURNS + 1):
            for client in clients:
                await client.prepare(key_id)
            cpu = time.process_time()
            bare = bare_crt_seconds(bare_key, BARE_CALLS)
            bare_cpu = time.process_time() - cpu
            cpu, began = process_cpu_seconds(broker.pid), time.perf_counter()
            await asyncio.gather(*(client.withdraw() for client in clients))
            seconds = time.perf_counter() - began
            cpu = process_cpu_seconds(broker.pid) - cpu
            tokens = ACCOUNTS * PACKS * TOKENS_PER_REQUEST_MAX
            found = {
                "ratio": round(tokens / seconds * bare, 3),
                "issued_per_s": round(tokens / seconds),
                "bare_crt_per_s": round(1 / bare),
                "broker_cpu_ms_per_token": round(cpu / tokens * 1000, 3),
                "bare_cpu_ms_per_token": round(bare_cpu / BARE_CALLS * 1000, 3),
            }
            if turn and (not best or found["ratio"] > best["ratio"]):
                best = found
        for client in clients:
            await client.aclose()
    return best


def spending() -> dict[str, Any]:
    """Spends per second decided by a broker's database, empty and with a million before."""
    best: dict[int, tuple[float, float]] = {}
    with tempfile.TemporaryDirectory() as name:
        books = {rows: open_books(Path(name) / str(rows), rows) for rows in (0, SPENT_BEFORE)}
        for _ in range(TURNS):
            for rows, opened in books.items():
                found = asyncio.run(_timed(opened.prepare(SPENDS)))
                best[rows] = min(found, best.get(rows, found))
        for opened in books.values():
            opened.close()
    empty, full = best[0], best[SPENT_BEFORE]
    return {
        "ratio": round(empty[0] / full[0], 3),
        "empty_per_s": round(1 / empty[0]),
        "with_a_million_per_s": round(1 / full[0]),
        "empty_cpu_ms": round(empty[1] * 1000, 2),
        "with_a_million_cpu_ms": round(full[1] * 1000, 2),
    }


async def _timed(spend: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Seconds and processor seconds of one spend."""
    cpu, began = time.process_time(), time.perf_counter()
    await spend()
    return (time.perf_counter() - began) / SPENDS, (time.process_time() - cpu) / SPENDS


def rows() -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        issued = asyncio.run(issuing(Path(name)))
    return [
        {
            "name": "tokens issued over HTTP by one worker, against the bare CRT power",
            "reach": 0.75,
            **issued,
        },
        {
            "name": "tokens spent with 1,000,000 spent before, against none",
            "reach": 0.85,
            **spending(),
        },
    ]
