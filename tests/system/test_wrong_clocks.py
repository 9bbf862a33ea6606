"""A wrong clock of one party is named as what it is, with both times, and costs nobody money.

The real programs run, one of them under libfaketime.
"""

import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest

from tests.support.other_clock import LIBRARY, Machine, machine
from tests.support.programs import Finished, environment, run
from tests.support.real_market import serving

pytestmark = [
    pytest.mark.faketime,
    pytest.mark.skipif(not LIBRARY.exists(), reason="needs Debian's faketime"),
]

START_SECONDS = 60
PASSWORD = "correct horse battery\n"
OFFSETS = {"-1h": -3600, "+1h": 3600, "-2d": -48 * 3600, "+2d": 48 * 3600}
ALL_OFFSETS = [
    "-1h",
    "+2d",
    pytest.param("+1h", marks=pytest.mark.long),
    pytest.param("-2d", marks=pytest.mark.long),
]
BLAME = ("not for what was selected", "Report the merchant", "incompatible", "replayed")
MOMENT = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC")


@dataclass
class Place:
    """Homes in one folder; the servers' ports stay, also when one is started again."""

    folder: Path
    ports: dict[str, str]
    link: str = ""

    def home(self, role: str) -> tuple[str, str]:
        return "--home", str(self.folder / role)

    def run(self, role: str, *words: str, typed: str = "") -> Finished:
        """With the right clock."""
        return run(role, *words, *self.home(role), env=environment(), typed=typed)

    @contextmanager
    def server(self, role: str, on: Machine | None = None) -> Iterator[str]:
        """on: the machine whose clock is wrong, if it runs on that."""
        port = self.ports[role]
        if on is None:
            with serving(self.folder, role, port) as url:
                yield url
            return
        words = (role, "run", *self.home(role), "--port", port)
        with on.serving(*words, log=self.folder / f"{role}.log"):
            self.wait(role, "listening on")
            yield f"http://127.0.0.1:{port}"

    def wait(self, role: str, text: str) -> str:
        """What a server has said, once it has said `text`."""
        log, ends = self.folder / f"{role}.log", time.monotonic() + START_SECONDS
        while text not in (said := log.read_text()):
            assert time.monotonic() < ends, said
            time.sleep(0.05)
        return said

    def balance(self) -> str:
        done = self.run("customer", "balance")
        assert done.code == 0, done.err
        return done.out.strip().rsplit("\n", 1)[-1]

    def buys(self, product: str) -> Finished:
        out = str(self.folder / "out")
        return self.run("customer", "buy", product, "--account", "--yes", "--out", out)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A market that was set up by the right clock, and is stopped. anna has 95 and one token."""
    folder = tmp_path_factory.mktemp("clocks")
    place = Place(folder, {role: _free_port() for role in ("broker", "merchant")})
    goods = folder / "goods"
    goods.mkdir()
    (folder / "out").mkdir()
    for name in ("north", "south", "east", "west"):
        (goods / f"{name}.txt").write_text(f"{name}\n" * 90)
    assert place.run("broker", "init").code == 0
    with place.server("broker") as broker:
        assert place.run("merchant", "init", "--broker", broker, "--yes").code == 0
        assert place.run("merchant", "add", str(goods), "--price", "5.00").code == 0
        with place.server("merchant") as merchant:
            assert place.run("broker", "merchant", "admit", merchant, "--yes").code == 0
            place.wait("merchant", "authenticated")
            place.link = place.run("merchant", "link").out.split()[0]
            assert place.run("customer", "join", place.link, "--yes").code == 0
            register = ("register", "anna", "--password-file", "-")
            assert place.run("customer", *register, typed=PASSWORD).code == 0
            assert place.run("broker", "credit", "anna", "100").code == 0
            assert place.run("customer", "wallet", "create", "--no-passphrase").code == 0
            assert place.run("customer", "tokens", "withdraw", "5.00", "--count", "1").code == 0
    return place


@pytest.fixture(scope="module")
def machines() -> Iterator[Callable[[str], Machine]]:
    """The machine whose clock is off by so much; started once."""
    with ExitStack() as running:
        yield cache(lambda offset: running.enter_context(machine(offset)))


def _free_port() -> str:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return str(found.getsockname()[1])


def names_the_clock(said: str, offset: str) -> bool:
    """A clock is named, with a time by the right clock and one by the wrong clock."""
    assert not [blame for blame in BLAME if blame in said], said
    now = time.time()
    ages = [
        datetime.fromisoformat(found).replace(tzinfo=UTC).timestamp() - now
        for found in MOMENT.findall(said)
    ]
    # An offer ends a quarter of an hour after it was made, by its maker's clock.
    wrong = [age for age in ages if abs(age - OFFSETS[offset]) < 1700]
    return "clock" in said and bool(wrong) and any(abs(age) < 1700 for age in ages)


def in_order(place: Place) -> None:
    done = place.run("broker", "audit")
    assert done.code == 0 and "The books are in order." in done.out, done.out


@pytest.mark.parametrize("offset", ALL_OFFSETS)
def test_a_customers_wrong_clock_is_named_at_every_step(
    place: Place, machines: Callable[[str], Machine], offset: str
) -> None:
    wrong = machines(offset)
    out = ("--out", str(place.folder / "out"))
    steps = {
        "browse": ("browse",),
        "look": ("look", "north.txt"),
        "buy": ("buy", "north.txt", "--account", "--yes", *out),
        "anonymous": ("buy", "north.txt", "--anonymous", "--now", "--yes", *out),
        "sync": ("sync", *out),
        "withdraw": ("tokens", "withdraw", "5.00", "--count", "1"),
        "shop": ("shop", *out),
        "join": ("join", place.link, "--yes"),
    }
    with place.server("broker"), place.server("merchant"):
        before = place.balance()
        answers = {"shop": f"anna\n{PASSWORD}1\ny\n0\n"}
        home, done = place.home("customer"), {}
        for step, words in steps.items():
            done[step] = wrong.run("customer", *words, *home, typed=answers.get(step, ""))
        failed = {step: each.out + each.err for step, each in done.items() if each.code}
        for step, said in failed.items():
            assert names_the_clock(said, offset), (step, said)
            assert "(error 2118)" in said or "(error 6103)" in said, (step, said)
            about_money = step not in ("browse", "look", "join")
            assert ("No money moved." in said) == about_money, (step, said)
        # Behind, no descriptor begins yet; ahead, only what has to be paid soon has ended.
        ends = {"buy", "anonymous", "shop"}
        assert set(failed) == (ends if offset[0] == "+" else set(steps) - {"sync"})
        if done["withdraw"].code == 0:
            assert place.run("customer", "tokens", "deposit", "--count", "1").code == 0
        assert place.balance() == before
        assert not list((place.folder / "out").iterdir())
    in_order(place)


@pytest.mark.parametrize("offset", ALL_OFFSETS)
@pytest.mark.parametrize("role", ["merchant", "broker"])
def test_a_servers_wrong_clock_is_named_and_nobody_is_blamed(
    place: Place, machines: Callable[[str], Machine], role: str, offset: str
) -> None:
    wrong = machines(offset)
    other = "broker" if role == "merchant" else "merchant"
    out = ("--out", str(place.folder / "out"))
    with place.server(other), place.server(role, wrong):
        done = [place.buys("south.txt")]
        again = ("buy", "east.txt", "--anonymous", "--now", "--yes", *out)
        done += [place.run("customer", *again)]
        done += [place.run("customer", "shop", *out, typed=f"anna\n{PASSWORD}1\ny\n0\n")]
        bought = len(done)
        done += [place.run("customer", "browse")]
        for words in (("withdraw-request", "1.00"), ("reconcile",)):
            home = place.home("merchant")
            right = run("merchant", *words, *home, env=environment())
            done.append(wrong.run("merchant", *words, *home) if role == "merchant" else right)
    failed = [each.out + each.err for each in done if each.code]
    assert len(failed) >= 5, [each.out for each in done]
    for said in failed:
        assert names_the_clock(said, offset), said
    for each in done[:bought]:
        assert not each.code or "No money moved." in each.err + each.out
    with place.server("broker"), place.server("merchant"):
        assert place.balance() == "anna: 95.00 EUR"
    assert not list((place.folder / "out").iterdir())
    in_order(place)


def test_once_the_clocks_are_right_purchases_go_on(place: Place) -> None:
    with place.server("broker"), place.server("merchant"):
        bought = place.buys("west.txt")
        assert bought.code == 0 and "Integrity check successful" in bought.out, bought.err
        assert place.balance() == "anna: 90.00 EUR"
        tokens = place.run("customer", "tokens").out
        assert "1 of     5.00" in tokens
    in_order(place)
