"""The peer buys from the real programs, run as processes: one product in each suite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
PASSWORD = "a long enough password"
FILES = {
    "Small Words.txt": b"One page of words.\n" * 40,
    "Large Picture.bin": bytes(i * 7919 % 251 for i in range(1_300_000)),
}


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
    broker, merchant, goods = (home / name for name in ("broker", "merchant", "goods"))
    goods.mkdir()
    for name, content in FILES.items():
        (goods / name).write_bytes(content)
    password_file = home / "password"
    password_file.write_text(PASSWORD + "\n")
    veilmart("broker", "init", "--home", broker)
    with ExitStack() as stack:
        at = stack.enter_context(running(broker, home / "broker.log", "broker", "Broker"))
        veilmart("merchant", "init", "--home", merchant, "--broker", f"http://{at}", "--yes")
        veilmart("merchant", "add", goods, "--home", merchant)
        sells = stack.enter_context(running(merchant, home / "m.log", "merchant", "Merchant"))
        veilmart("broker", "merchant", "admit", f"http://{sells}", "--yes", "--home", broker)
        found = re.search(r"veilmart://\S+", veilmart("merchant", "link", "--home", merchant))
        assert found
        yield Market(found[0], broker, password_file)


@pytest.mark.parametrize(("suite", "place"), [(1, 0), (1, 1), (2, 0), (2, 1)])
def test_purchase(market: Market, tmp_path: Path, suite: int, place: int) -> None:
    file_name = sorted(FILES)[place]
    user = f"reader{suite}{place}"
    registered = market.peer("--username", user, "--register", "--suite", str(suite))
    assert registered.returncode == 0, registered.stderr
    veilmart("broker", "credit", user, "100", "--home", market.broker_home)
    title = file_name  # what `merchant add` calls a product by default
    done = market.peer(
        *("--username", user, "--product", title, "--suite", str(suite), "--out", tmp_path)
    )
    assert done.returncode == 0, done.stderr
    assert "(settled)" in done.stdout
    assert (tmp_path / file_name).read_bytes() == FILES[file_name]


def test_wrong_password(market: Market) -> None:
    market.password_file.with_name("other").write_text("not the password")
    wrong = Market(market.link, market.broker_home, market.password_file.with_name("other"))
    assert market.peer("--username", "somebody", "--register").returncode == 0
    done = wrong.peer("--username", "somebody")
    assert done.returncode == 1 and "4101" in done.stderr


def test_no_money(market: Market, tmp_path: Path) -> None:
    assert market.peer("--username", "poor", "--register").returncode == 0
    title = sorted(FILES)[0]
    done = market.peer("--username", "poor", "--product", title, "--out", tmp_path)
    assert done.returncode == 1 and "refused" in done.stderr
    assert not list(tmp_path.iterdir())


def test_other_broker_fingerprint(market: Market) -> None:
    """A link with the two fingerprints exchanged is refused before anything is sent."""
    start, broker, merchant = market.link.rsplit("/", 2)
    other = Market(f"{start}/{merchant}/{broker}", market.broker_home, market.password_file)
    done = other.peer("--username", "nobody", "--register")
    assert done.returncode == 1 and "fingerprint" in done.stderr
