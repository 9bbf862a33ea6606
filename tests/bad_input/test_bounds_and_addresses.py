"""Bodies are bounded before they are read, at every path; and where the programs listen."""

import asyncio
import inspect
import ipaddress
import os
import socket
from pathlib import Path

import msgspec
import pytest

from tests.support.roles import Roles
from veilmart.broker.cli import serving as broker_cli
from veilmart.merchant.cli import serving as merchant_cli

pytestmark = pytest.mark.asyncio(loop_scope="module")

ENDLESS = 10**12
SLICE = b"\0" * 65536
PATHS = [
    ("broker", "/v1/session"),
    ("broker", "/v1/request"),
    ("merchant", "/v1/link"),
    ("merchant", "/v1/link/request"),
]
at_every_path = pytest.mark.parametrize(("role", "path"), PATHS)


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, int]:
    """(HTTP status, code of the error)."""
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length")
        )
        body = msgspec.msgpack.decode(await reader.readexactly(length))
    return int(head.split()[1]), body["code"]


async def opened(
    roles: Roles, role: str, path: str, header: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = getattr(roles, role).address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n\r\n".encode())
    return reader, writer


@at_every_path
async def test_bodies_are_bounded_before_they_are_read(shared: Roles, role: str, path: str) -> None:
    reader, writer = await opened(shared, role, path, f"Content-Length: {ENDLESS}")
    assert await answer_of(reader) == (413, 2103)
    writer.close()


@at_every_path
async def test_bodies_without_an_end_are_cut_off(shared: Roles, role: str, path: str) -> None:
    """Its length is not announced: as soon as there is too much of it, it is not read on."""
    reader, writer = await opened(shared, role, path, "Transfer-Encoding: chunked")
    answer = asyncio.create_task(answer_of(reader))
    sent = 0
    try:
        while not answer.done() and sent < 64 * 1024 * 1024:
            writer.write(b"%x\r\n" % len(SLICE) + SLICE + b"\r\n")
            sent += len(SLICE)
            await writer.drain()
            await asyncio.sleep(0)
    except ConnectionError:
        sent += 0  # cut off while we were sending, which is as good
    assert await answer == (413, 2103)
    assert sent < 16 * 1024 * 1024
    writer.close()


def listening_addresses() -> set[str]:
    """Local addresses of this process's listening TCP sockets."""
    found: set[str] = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            if not entry.readlink().name.startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(entry.name))) as copy:
                if copy.family in (socket.AF_INET, socket.AF_INET6) and copy.getsockopt(
                    socket.SOL_SOCKET, socket.SO_ACCEPTCONN
                ):
                    found.add(copy.getsockname()[0])
        except OSError:
            continue
    return found


async def test_everything_listens_on_loopback(shared: Roles) -> None:
    assert listening_addresses() == {"127.0.0.1"}
    assert shared.broker.address.startswith("127.0.0.1:")


@pytest.mark.parametrize("program", [broker_cli, merchant_cli], ids=["broker", "merchant"])
async def test_loopback_unless_told_otherwise(program: object) -> None:
    """`run` without --host; with it, any address."""
    command = program.run_server  # type: ignore[attr-defined]
    default = inspect.signature(command).parameters["host"].default
    assert ipaddress.ip_address(default).is_loopback
