"""The peer buys from the real programs, run as processes: one product in each suite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from .client import BrokerSession, Http, Relayed
from .descriptors import Link, accept, read_link
from .notation import PeerError, Refused
from .suites import suite_of

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
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
            "Large Picture.bin": bytes(i * 7919 % 251 for i in range(2_900_000)),
        },
    ),
}
FILES = {name: content for _, _, files in SHELVES.values() for name, content in files.items()}


def veilmart(*arguments: str | Path) -> str:
    """Run one command of the programs to its end; its output."""
    command = [sys.executable, "-m", "veilmart", *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextmanager
def running(home: Path, log: Path, role: str, name: str) -> Iterator[str]:
    """A server for as long as the block lasts; its address."""
    command = [sys.executable, "-m", "veilmart", role, "run", "--home", str(home), "--port", "0"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        ) as process,
    ):
        try:
            yield wait_for_address(process, log, name)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_for_address(process: subprocess.Popen[bytes], log: Path, name: str) -> str:
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

    def peer(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run the peer."""
        command = [sys.executable, "-m", "tests.peer.cli", self.link, *map(str, arguments)]
        command += ["--password-file", str(self.password_file)]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
        )


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    home = tmp_path_factory.mktemp("market")
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
        sells = stack.enter_context(running(merchant, home / "m.log", "merchant", "Merchant"))
        veilmart("broker", "merchant", "admit", f"http://{sells}", "--yes", "--home", broker)
        found = re.search(r"veilmart://\S+", veilmart("merchant", "link", "--home", merchant))
        assert found
        yield Market(found[0], broker, merchant, password_file)


def put_on_sale(home: Path, merchant: Path, shelf: str, files: dict[str, bytes]) -> None:
    """Products of one shelf."""
    folder = home / f"goods {shelf}"
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    veilmart("merchant", "add", folder, "--home", merchant, "--shelf", shelf)


def buy(market: Market, out: Path, user: str, file_name: str, suite: int) -> Path:
    """Make an account, put money on it, buy with the peer; the file."""
    registered = market.peer("--username", user, "--register", "--suite", str(suite))
    assert registered.returncode == 0, registered.stderr
    veilmart("broker", "credit", user, "100", "--home", market.broker_home)
    choice = ("--product", file_name, "--suite", str(suite), "--out", out)
    done = market.peer("--username", user, *choice)
    assert done.returncode == 0, done.stderr
    assert "(settled)" in done.stdout
    return out / file_name


@pytest.mark.parametrize("suite", [1, 2])
@pytest.mark.parametrize("file_name", ["Some Pages.txt", "Large Picture.bin"])
def test_purchase(market: Market, tmp_path: Path, file_name: str, suite: int) -> None:
    path = buy(market, tmp_path, f"{file_name[:4]} reader {suite}", file_name, suite)
    assert path.read_bytes() == FILES[file_name]


def test_receipt(market: Market, tmp_path: Path) -> None:
    """The peer's receipt file (9.5) verifies with the real program, and not when it is changed."""
    path = buy(market, tmp_path, "keeper", "Some Pages.txt", 1)
    receipt = path.with_name(f"{path.name}.receipt")
    veilmart("customer", "receipt", "verify", receipt)
    content = receipt.read_bytes()
    receipt.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(AssertionError, match="1123"):
        veilmart("customer", "receipt", "verify", receipt)


def test_wrong_password(market: Market) -> None:
    market.password_file.with_name("other").write_text("not the password")
    wrong = replace(market, password_file=market.password_file.with_name("other"))
    assert market.peer("--username", "somebody", "--register").returncode == 0
    done = wrong.peer("--username", "somebody")
    assert done.returncode == 1 and "4101" in done.stderr


def test_no_money(market: Market, tmp_path: Path) -> None:
    assert market.peer("--username", "poor", "--register").returncode == 0
    done = market.peer("--username", "poor", "--product", "One Page.txt", "--out", tmp_path)
    assert done.returncode == 1 and "4108" in done.stderr
    assert not list(tmp_path.iterdir())


def test_other_broker_fingerprint(market: Market) -> None:
    """A link with the two fingerprints exchanged is refused before anything is sent."""
    start, broker, merchant = market.link.rsplit("/", 2)
    other = replace(market, link=f"{start}/{merchant}/{broker}")
    done = other.peer("--username", "nobody", "--register")
    assert done.returncode == 1 and "fingerprint" in done.stderr


@contextmanager
def session_of(market: Market, user: str, now: int) -> Iterator[tuple[Link, BrokerSession]]:
    """A session in this process, for what the command line does not show."""
    link = read_link(market.link)
    with closing(Http(link.host, link.port)) as http:
        session = BrokerSession(http, suite_of(1), link.broker, now)
        session.start("register", user, PASSWORD)
        yield link, session


def test_refusal_is_sealed(market: Market) -> None:
    """A request that breaks a rule is refused inside the session, which goes on (4.4)."""
    now = int(time.time())
    message = {"kind": "relay", "request_number": bytes(16), "record": bytes(1096)}
    with session_of(market, "stranger", now) as (link, session):
        with pytest.raises(Refused) as refused:
            session.ask(message, 2, Relayed, 2)
        assert refused.value.code == 4105
        assert session.merchant(link.merchant, now).fingerprint == link.merchant


def test_descriptor_chain(market: Market, tmp_path: Path) -> None:
    """A new shelf makes a new descriptor; the peer takes it after the old one, not before it."""
    now = int(time.time())
    with session_of(market, "watcher", now) as (link, session):
        first = session.merchant(link.merchant, now)
        shelf = ("New", "--price", "1.00", "--size", "2K", "--home", market.merchant_home)
        veilmart("merchant", "shelf", "create", *shelf)
        put_on_sale(tmp_path, market.merchant_home, "New", {"a.txt": b"a", "b.txt": b"b"})
        end = time.monotonic() + START_SECONDS
        while (second := session.merchant(link.merchant, now)).hash == first.hash:
            assert time.monotonic() < end, "no new descriptor"
            time.sleep(0.2)
    assert second.body.serial > first.body.serial
    accept(second.signed, link.merchant, "merchant", now, first)
    with pytest.raises(PeerError, match="serial"):
        accept(first.signed, link.merchant, "merchant", now, second)
