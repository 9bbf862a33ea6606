"""A real broker and a real merchant in processes of their own, set up through their commands."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import programs
from tests.support.programs import Finished, Program

START_SECONDS = 180
BIG = bytes(range(251)) * 10_000


@dataclass(frozen=True)
class RealMarket:
    """link: of the merchant. home: broker/ and merchant/ are below it."""

    home: Path
    link: str
    url: str

    def run(self, *arguments: str, home: Path | None = None, typed: str = "") -> Finished:
        return run(home or self.home, *arguments, typed=typed)

    def customer(self, home: Path, *arguments: str, typed: str = "") -> Finished:
        return run(home, "customer", *arguments, typed=typed)

    def account(self, home: Path, name: str, amount: str = "100") -> None:
        """A customer who has joined, is registered, logged in and has money."""
        assert self.customer(home, "join", self.link).code == 0
        assert self.customer(home, "register", name, typed="long enough\n").code == 0
        assert self.run("broker", "credit", name, amount).code == 0


def run(home: Path, *arguments: str, typed: str = "") -> Finished:
    """A command of the role whose home is below `home`."""
    return programs.run(
        *arguments, env={**os.environ, "VEILMART_HOME": str(home)}, cwd=home, typed=typed
    )


@contextmanager
def serving(
    home: Path, role: str, port: str = "0", *more: str, module: str = "veilmart"
) -> Iterator[str]:
    """`veilmart ROLE run` on a free port; yields its URL. module: another program than ours."""
    log = home / f"{role}.log"
    with log.open("wb") as stream:
        env = {**os.environ, "VEILMART_HOME": str(home)}
        words = (role, "run", "--port", port, *more)
        program = Program(*words, env=env, module=module, stdout=stream, stderr=stream)
    try:
        yield "http://" + wait_for(log, "listening on ")
    finally:
        program.stop()


def wait_for(log: Path, text: str) -> str:
    """What follows `text` on its line, as soon as it is there."""
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        for line in log.read_text().splitlines():
            if text in line:
                return line.split(text, 1)[1].split()[0]
        time.sleep(0.05)
    raise AssertionError(f"{text!r} did not come: {log.read_text()}")


@contextmanager
def real_market(home: Path, seller: str = "veilmart") -> Iterator[RealMarket]:
    """One shelf at 5.00 with two small texts, one at 10.00 with two files of three pieces.

    seller: the module that is the merchant's program.
    """
    goods = home / "goods"
    goods.mkdir()
    (goods / "june.txt").write_text("The stars of June.\n")
    (goods / "july.txt").write_text("The stars of July.\n")
    (goods / "sky.bin").write_bytes(BIG)
    (goods / "sea.bin").write_bytes(BIG[::-1])
    with serving(home, "broker") as broker:
        assert run(home, "merchant", "init", "--broker", broker, "--yes").code == 0
        small = [str(goods / name) for name in ("june.txt", "july.txt")]
        large = [str(goods / name) for name in ("sky.bin", "sea.bin")]
        assert run(home, "merchant", "add", *small, "--price", "5.00").code == 0
        assert run(home, "merchant", "add", *large, "--price", "10.00").code == 0
        with serving(home, "merchant", module=seller) as merchant:
            assert run(home, "broker", "merchant", "admit", merchant, "--yes").code == 0
            wait_for(home / "broker.log", "Merchant merchant authenticated ")
            link = run(home, "merchant", "link").out.splitlines()[0]
            yield RealMarket(home, link, broker)


CROOKED = "tests.escrow.crooked_merchant"
