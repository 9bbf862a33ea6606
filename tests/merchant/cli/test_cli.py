"""The command line: transcripts of what a person types and reads."""

import asyncio
import io
import os
import sys
import threading
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from tests.merchant.cli.saying import Say
from tests.support.programs import Program
from tests.support.scripted_merchant import FakeBroker, Stall
from veilmart.crypto.identity import format_fingerprint
from veilmart.merchant import home
from veilmart.merchant.cli.goods import parse_size
from veilmart.merchant.cli.interactive import ask_once
from veilmart.merchant.cli.root import app
from veilmart.merchant.goods.products import load_products
from veilmart.merchant.goods.showcases import Look, look_of
from veilmart.terminal.console import Terminal


def test_init_shows_the_fingerprint_and_asks(say: Say, fresh: FakeBroker) -> None:
    code, out, _ = say("init", "--broker", "http://127.0.0.1:8000", answers="n\n")
    assert code == 8 and format_fingerprint(fresh.fingerprint) in out
    code, _, err = say("init", "--broker", "http://127.0.0.1:8000")
    assert code == 2 and "error 1118" in err
    code, out, _ = say("init", "--broker", "http://127.0.0.1:8000", answers="maybe\ny\n")
    assert code == 0 and "Please answer y or n." in out and "Merchant merchant is set up." in out
    code, _, err = say("init", "--broker", "http://127.0.0.1:8000", "--yes")
    assert code == 2 and "error 1102" in err


def test_init_with_a_link_does_not_ask(say: Say, fresh: FakeBroker) -> None:
    link = f"veilmart://127.0.0.1:8000/{format_fingerprint(fresh.fingerprint)}"
    assert say("init", "--broker", link, "--name", "My shop")[0] == 0
    wrong = f"veilmart://127.0.0.1:8000/{format_fingerprint(bytes(32))}"
    code, _, err = say("init", "--broker", wrong)
    assert code == 2 and "error 1102" in err


def test_init_with_another_fingerprint_in_the_link(say: Say, fresh: FakeBroker) -> None:
    wrong = f"veilmart://127.0.0.1:8000/{format_fingerprint(bytes(32))}"
    code, _, err = say("init", "--broker", wrong, "--yes")
    assert code == 6 and "error 6101" in err
    assert say("list")[0] == 2


def test_nothing_works_before_init(say: Say) -> None:
    for words in (["run"], ["list"], ["balance"], ["link"], ["add", "x"], ["shelf", "list"]):
        code, _, err = say(*words)
        assert code == 2 and "error 1101" in err
    assert "veilmart merchant init --broker" in say("run")[2]


def test_another_price_moves_a_product_and_what_was_chosen_is_said(
    say: Say, fresh: FakeBroker, goods: Path
) -> None:
    say("init", "--broker", "http://127.0.0.1:8000", "--yes")
    assert say("add", str(goods), "--price", "5.00")[0] == 0
    code, _, err = say("edit", "alpha.txt", "--price", "2.00")
    assert code == 2 and "error 1109" in err
    code, out, _ = say("edit", "alpha.txt", "--price", "2.00", "--alone")
    assert code == 0 and "It costs 2.00 now, on the shelf 2.00-1K." in out
    assert say("edit", "beta.txt", "--price", "2.00")[0] == 0
    assert [line.split()[2] for line in say("list")[1].splitlines()[1:]] == ["2.00", "2.00"]
    assert [line.split()[1] for line in say("shelf", "list")[1].splitlines()[1:]] == ["2.00-1K"]
    assert say("shelf", "create", "wide", "--price", "1.00", "--size", "1M")[0] == 0
    code, out, _ = say("add", str(goods), "--price", "1.00")
    assert code == 0
    assert out.startswith("On the shelf wide every download has 1,048,576 bytes; these need ")
    assert "shelf create" in out


def test_cover_sample_and_tags_are_set_and_removed(
    say: Say, fresh: FakeBroker, goods: Path, tmp_path: Path
) -> None:
    say("init", "--broker", "http://127.0.0.1:8000", "--yes")
    assert say("add", str(goods))[0] == 0
    picture, page = tmp_path / "cover.png", tmp_path / "page.txt"
    Image.new("RGB", (30, 40), "green").save(picture)
    page.write_text("The first page.\n")

    def look() -> tuple[Look, str]:
        with home.open_merchant(tmp_path / "home") as market:
            run = market.database.run_now
            product = next(p for p in run(load_products) if p.file_name == "alpha.txt")
            return run(look_of, product.id), product.tags

    both = ("--cover", str(picture), "--sample", str(page), "--tag", "maps", "--tag", "stars")
    assert say("edit", "alpha.txt", *both)[0] == 0
    shown, tags = look()
    assert shown.cover.startswith(b"\xff\xd8\xff") and tags == "maps\nstars"
    assert (shown.sample_name, shown.sample) == ("page.txt", page.read_bytes())
    assert say("edit", "alpha.txt", "--no-cover", "--no-tag")[0] == 0
    shown, tags = look()
    assert (shown.cover, shown.sample_name, tags) == (b"", "page.txt", "")
    assert say("edit", "alpha.txt", "--no-sample")[0] == 0
    assert look()[0] == Look()
    for wrong in (("--cover", str(page)), ("--no-cover", "--cover", str(picture))):
        assert say("edit", "alpha.txt", *wrong)[0] == 2


def test_a_day_of_shopkeeping(say: Say, fresh: FakeBroker, goods: Path, tmp_path: Path) -> None:
    say("init", "--broker", "http://127.0.0.1:8000", "--yes")
    code, out, _ = say("add", str(goods))
    assert code == 0
    assert out.splitlines() == [
        "Price 5.00 (another one: --price).",
        "1/2 alpha.txt",
        "2/2 beta.txt",
        "On sale at 5.00 on the shelf 5.00-1K: alpha.txt, beta.txt",
    ]
    code, _, err = say("add", str(goods / "alpha.txt"), "--price", "2.00")
    assert code == 2 and "error 1109" in err
    code, out, _ = say("add", "-", "--file-name", "note.txt", "--title", "A note", answers="hi\n")
    assert code == 0 and "On sale at 5.00 on the shelf 5.00-1K: A note" in out
    code, _, err = say("add", "-", answers="hi\n")
    assert code == 2 and "error 1105" in err
    assert say("edit", "2", "--title", "Alpha", "--out")[0] == 0
    rows = [line.split() for line in say("list")[1].splitlines()]
    assert [row[1:-1] for row in rows[1:]] == [
        ["A", "note", "5.00", "3", "5.00-1K", "in"],
        ["Alpha", "5.00", "6", "5.00-1K", "out"],
        ["beta.txt", "5.00", "5", "5.00-1K", "in"],
    ]
    assert say("remove", "A note")[:2] == (0, "A note is no longer on sale.\n")
    code, _, err = say("remove", "Alpha")
    assert code == 2 and "error 1109" in err
    assert say("remove", "Alpha", "--alone")[0] == 0
    code, _, err = say("remove", "9")
    assert code == 2 and "error 1111" in err
    assert "0.00" in say("balance")[1]
    assert say("sales")[0] == 0
    svg = tmp_path / "link.svg"
    code, out, _ = say("link", "beta.txt", "--qr", "--svg", str(svg))
    assert code == 0 and out.startswith("veilmart://127.0.0.1:8000/") and "█" in out
    assert svg.read_bytes().startswith(b"<?xml")
    assert say("link", "--svg", str(tmp_path / "no" / "x.svg"))[0] == 7


def test_json(say: Say, fresh: FakeBroker, goods: Path) -> None:
    say("init", "--broker", "http://127.0.0.1:8000", "--yes", "--json")
    added = msgspec.json.decode(say("add", str(goods), "--json")[1])
    assert (added["shelf"], added["price"]) == ("5.00-1K", "5.00")
    listed = msgspec.json.decode(say("list", "--json")[1])
    assert [product["title"] for product in listed] == ["alpha.txt", "beta.txt"]
    assert msgspec.json.decode(say("shelf", "list", "--json")[1])[0]["products"] == 2
    refused = msgspec.json.decode(say("remove", "nothing", "--json")[1])
    assert refused["error"]["code"] == 1111


def test_shelves(say: Say, fresh: FakeBroker) -> None:
    say("init", "--broker", "http://127.0.0.1:8000", "--yes")
    assert say("shelf", "create", "big", "--price", "10", "--size", "1M")[0] == 0
    code, _, err = say("shelf", "create", "odd", "--price", "7", "--size", "1M")
    assert code == 2 and "1.00, 2.00, 5.00, 10.00" in err
    for size in ("", "x", "1T", "-1", "0"):
        code, _, err = say("shelf", "create", "odd", "--price", "5", f"--size={size}")
        assert code == 2 and "error 1103" in err
    assert "1048576" in say("shelf", "list")[1]


@pytest.mark.parametrize(
    ("text", "size"), [("1", 1), ("4096", 4096), ("256K", 262_144), ("1m", 2**20), ("2G", 2**31)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_every_command_is_explained(capfd: pytest.CaptureFixture[str]) -> None:
    for words in ([], ["init"], ["run"], ["add"], ["remove"], ["list"], ["edit"], ["shelf"]):
        app([*words, "--help"], result_action="return_value")
        out = capfd.readouterr().out
        assert "Usage" in out


def conversation(stall: Stall, monkeypatch: pytest.MonkeyPatch, lines: str) -> list[bool]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    going: list[bool] = []
    while not going or going[-1]:
        going.append(ask_once(stall.market, Terminal(), lambda: stall.now, os.urandom))
    return going


def test_the_conversation_while_serving(
    stall: Stall, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    typed = "add\n\nnote.txt\nfirst line\nsecond line\n.\n"
    conversation(stall, monkeypatch, f"{typed}remove\n2\nwhat\nno\n")
    out = capfd.readouterr().out
    assert out.count("Do you want to add or remove files? (Enter: add/remove/no)") == 4
    assert "note.txt" in out and "beta.txt is no longer on sale." in out
    assert "Please answer add, remove or no." in out
    stall.reload()
    shown = sorted(product.title for product in stall.state.shop.products.values())
    assert shown == ["alpha.txt", "note.txt"]
    note = next(p for p in stall.state.shop.products.values() if p.title == "note.txt")
    assert note.size == len("first line\nsecond line\n")


def test_the_conversation_about_a_product_alone(
    stall: Stall, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    conversation(stall, monkeypatch, "remove\n1\nn\nremove\n9\nremove\n1\ny\nadd\n/nowhere\n")
    out = capfd.readouterr().out
    assert out.count("Remove it anyway? (y/n)") == 2
    assert "error 1111" in out and "error 1107" in out
    stall.reload()
    assert [product.title for product in stall.state.shop.products.values()] == ["beta.txt"]


def test_the_server_as_a_process(say: Say, fresh: FakeBroker, goods: Path, tmp_path: Path) -> None:
    say("init", "--broker", "http://127.0.0.1:8000", "--yes")
    words = ("merchant", "run", "--port", "0", "--narrate", "-i", "--home", str(tmp_path / "home"))
    reading, writing = os.pipe()
    said = tmp_path / "said"
    with os.fdopen(reading) as typed, os.fdopen(writing, "w") as person, said.open("w+") as errors:
        server = Program(*words, env=os.environ, stdin=typed, stderr=errors, piped=True)
        assert server.stdout is not None
        alarm = threading.Timer(60, server.kill)
        alarm.start()
        assert server.stdout.readline().startswith("Merchant listening on 127.0.0.1:")
        person.write(f"add\n{goods}\n")
        person.flush()
        seen = ""
        while "Catalogue 2: 2 products" not in seen:
            line = server.stdout.readline()
            assert line, seen
            seen += line
        server.terminate()  # while a question is open
        rest = server.stdout.read()
        assert server.wait(20) == 0, seen + rest
        alarm.cancel()
        server.stdout.close()
    assert "alpha.txt" in seen + rest and "Traceback" not in seen + rest + said.read_text()


async def test_an_open_question_does_not_hold_up_the_end() -> None:
    from veilmart.merchant.cli.interactive import in_thread

    release = threading.Event()
    waiting = asyncio.create_task(in_thread(lambda: release.wait(30)))
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    release.set()
