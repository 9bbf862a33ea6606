"""A real broker and a real merchant in processes of their own, set up through their commands."""

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support import programs
from tests.support.made_once import made_once
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
        for done in (
            self.customer(home, "join", self.link),
            self.customer(home, "register", name, typed="long enough\n"),
            self.run("broker", "credit", name, amount),
        ):
            assert done.code == 0, done.err


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
    with opened_market(home, made_once("real market", _stock), seller) as market:
        yield market


def _stock(home: Path) -> None:
    goods = home / "goods"
    goods.mkdir()
    (goods / "june.txt").write_text("The stars of June.\n")
    (goods / "july.txt").write_text("The stars of July.\n")
    (goods / "sky.bin").write_bytes(BIG)
    (goods / "sea.bin").write_bytes(BIG[::-1])
    with serving(home, "broker") as broker:
        succeed(home, "merchant", "init", "--broker", broker, "--yes")
        small = [str(goods / name) for name in ("june.txt", "july.txt")]
        large = [str(goods / name) for name in ("sky.bin", "sea.bin")]
        succeed(home, "merchant", "add", *small, "--price", "5.00")
        succeed(home, "merchant", "add", *large, "--price", "10.00")


def succeed(home: Path, *words: str) -> str:
    """Run a command that has to; its output."""
    done = run(home, *words)
    assert done.code == 0, done.err
    return done.out


def admit(home: Path, merchant: str, name: str = "merchant") -> None:
    """Returns when the running broker is linked with it. merchant: its URL."""
    succeed(home, "broker", "merchant", "admit", merchant, "--yes")
    wait_for(home / "broker.log", f"Merchant {name} authenticated ")


@contextmanager
def opened_market(
    home: Path, stocked: Path, seller: str = "veilmart", name: str = "merchant"
) -> Iterator[RealMarket]:
    """The programs on a copy of the homes in `stocked`. name: the merchant's."""
    shutil.copytree(stocked, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.log"))
    with serving(home, "broker") as broker:
        with sqlite3.connect(home / "merchant" / "merchant.sqlite") as database:
            database.execute("UPDATE brokers SET url = ?", (broker,))
        database.close()
        with serving(home, "merchant", module=seller) as merchant:
            admit(home, merchant, name)
            link = succeed(home, "merchant", "link").splitlines()[0]
            yield RealMarket(home, link, broker)


CROOKED = "tests.escrow.crooked_merchant"
