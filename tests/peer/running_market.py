"""The real programs, run as processes, for the peer to buy from."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.programs import Finished, Program, run
from tests.support.real_market import wait_for

ROOT = Path(__file__).parents[2]
START_SECONDS = 240.0
PASSWORD = "a long enough password"
SHELVES = {  # name: price, largest product, files
    "Pages": (
        "2.00",
        "64K",
        {
            "One Page.txt": b"One page of words.\n" * 40,
            "Some Pages.txt": b"Some pages of words.\n" * 2000,
        },
    ),
    "Pictures": (
        "5.00",
        "3M",
        {
            "Small Picture.bin": b"small",
            "Large Picture.bin": (bytes(i * 7919 % 251 for i in range(251)) * 11_554)[:2_900_000],
        },
    ),
}
FILES = {name: content for _, _, files in SHELVES.values() for name, content in files.items()}


def veilmart(*arguments: str | Path) -> str:
    """Run one command of the programs to its end; its output."""
    done = run(*map(str, arguments), env=os.environ)
    assert done.code == 0, f"{arguments}: {done.out}{done.err}"
    return done.out


@contextmanager
def running(home: Path, log: Path, role: str, name: str, module: str = "veilmart") -> Iterator[str]:
    """A server for as long as the block lasts; its address."""
    words = (role, "run", "--home", str(home), "--port", "0")
    with log.open("wb") as out:
        process = Program(*words, env=os.environ, module=module, stdout=out, stderr=out)
    try:
        yield wait_for_address(process, log, name)
    finally:
        process.stop()


def wait_for_address(process: Program, log: Path, name: str) -> str:
    """The address in the line that the server prints when it serves."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        found = re.search(rf"{name} listening on (\d+\.\d+\.\d+\.\d+:\d+)", log.read_text())
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"{name} did not start: {log.read_text()}")


@dataclass(frozen=True)
class Market:
    """Running programs and what a customer needs to know."""

    link: str
    broker_home: Path
    merchant_home: Path
    password_file: Path

    def peer(self, *arguments: str | Path) -> Finished:
        """Run the peer."""
        words = (self.link, *map(str, arguments), "--password-file", str(self.password_file))
        return run(*words, env=os.environ, module="tests.peer.cli", cwd=ROOT)


def put_on_sale(home: Path, merchant: Path, shelf: str, files: dict[str, bytes]) -> None:
    """Products of one shelf."""
    folder = home / f"goods {shelf}"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    veilmart("merchant", "add", folder, "--home", merchant, "--shelf", shelf)


@contextmanager
def market_in(home: Path, merchant_module: str = "veilmart") -> Iterator[Market]:
    """Both programs, running for as long as the block lasts."""
    broker, merchant = home / "broker", home / "merchant"
    password_file = home / "password"
    password_file.write_text(PASSWORD + "\n")
    veilmart("broker", "init", "--home", broker)
    with ExitStack() as stack:
        at = stack.enter_context(running(broker, home / "broker.log", "broker", "Broker"))
        veilmart("merchant", "init", "--home", merchant, "--broker", f"http://{at}", "--yes")
        for shelf, (price, size, files) in SHELVES.items():
            at_price = ("--price", price, "--size", size, "--home", merchant)
            veilmart("merchant", "shelf", "create", shelf, *at_price)
            put_on_sale(home, merchant, shelf, files)
        sells = stack.enter_context(
            running(merchant, home / "m.log", "merchant", "Merchant", merchant_module)
        )
        veilmart("broker", "merchant", "admit", f"http://{sells}", "--yes", "--home", broker)
        wait_for(home / "broker.log", "authenticated ")
        found = re.search(r"veilmart://\S+", veilmart("merchant", "link", "--home", merchant))
        assert found
        yield Market(found[0], broker, merchant, password_file)
