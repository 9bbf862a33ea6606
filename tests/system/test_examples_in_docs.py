"""Transcripts of README.md and docs/operations.md are typed as they stand there."""

from pathlib import Path

import pytest

from tests.system.typed_examples import (
    OPERATIONS,
    PASSWORD,
    README,
    Terminal,
    examples,
    section_of,
)
from veilmart.crypto.padding import pack_product

PACKED = {  # of one shelf of 241,664 bytes, 167,055 of them padding
    "garden-year.pdf": 199_900,
    "knots.pdf": 199_900,
    "night-sky.pdf": 199_900,
    "tides.pdf": 199_901,
    "winds.pdf": 241_664,
}


def test_the_readmes_path_by_hand_is_what_happens(tmp_path: Path) -> None:
    ebooks = tmp_path / "ebooks"
    ebooks.mkdir()
    for number, name in enumerate(("garden-year", "knots", "night-sky")):
        (ebooks / f"{name}.txt").write_bytes(b"A book.\n" * (1250 + number))
    terminal = Terminal(tmp_path)
    try:
        for example in examples(README, "The same by hand, in three terminals"):
            if example.words == ["customer", "shop"]:
                terminal.see_the_rest()
                prepare(terminal)
            terminal.follow(example)
    finally:
        terminal.end()


def prepare(terminal: Terminal) -> None:
    """What the page says in words: join, register, credit."""
    link = terminal.run("merchant", "link").split()[0]
    terminal.run("customer", "join", link)
    registering = terminal.start(["customer", "register", "maria"])
    for question in ("Password: ", "Repeat it: "):
        registering.expect_exact(question)
        registering.sendline(PASSWORD)
    terminal.finish(registering)
    terminal.run("broker", "credit", "maria", "100")
    terminal.see_the_merchant()


def write_shop(folder: Path) -> None:
    """The folder `shop` of both pages."""
    folder.mkdir()
    for name, packed in PACKED.items():
        size = packed - len(pack_product(bytes(32), name, 0))
        (folder / name).write_bytes(b"%PDF-" + bytes(size - 5))
    for name in ("editor", "game"):
        (folder / f"keys-{name}.codes").write_text("".join(f"{name}-{n}\n" for n in range(3)))
    (folder / "shop.toml").write_text(
        'price = "5.00"\n["knots.pdf"]\ntitle = "Knots"\ntags = ["sea"]\n'
    )


def with_a_broker(folder: Path) -> Terminal:
    """A terminal in a folder with the shop's folder and a running broker."""
    write_shop(folder / "shop")
    terminal = Terminal(folder)
    (start,) = (
        example
        for example in examples(README, "The same by hand, in three terminals")
        if example.words[:2] == ["broker", "run"]
    )
    terminal.follow(start)
    return terminal


def test_the_readmes_shop_from_a_folder_is_what_happens(tmp_path: Path) -> None:
    terminal = with_a_broker(tmp_path)
    try:
        for example in examples(README, "A shop from a folder"):
            terminal.follow(example)
        reported = terminal.run("merchant", "report").split()
    finally:
        terminal.end()
    shown = section_of(README, "A shop from a folder").split("```\nshelf ")[1].split("```")[0]
    assert reported == ["shelf", *shown.split()]


def test_the_shop_from_a_folder_in_operations_is_what_happens(tmp_path: Path) -> None:
    terminal = with_a_broker(tmp_path)
    try:
        for example in examples(OPERATIONS, "A shop from a folder"):
            terminal.follow(example)
    finally:
        terminal.end()


@pytest.mark.long
@pytest.mark.postgres
@pytest.mark.parametrize(
    ("page", "heading"),
    [(README, "A market on PostgreSQL, two workers each"), (OPERATIONS, "PostgreSQL")],
    ids=["README", "operations"],
)
def test_the_market_on_postgresql_is_what_happens(
    page: Path, heading: str, tmp_path: Path, postgres: str
) -> None:
    write_shop(tmp_path / "shop")
    url_file = tmp_path / "broker-database"
    url_file.write_text(postgres + "\n")
    stored = {f"/etc/veilmart/{role}-database": str(url_file) for role in ("broker", "merchant")}
    terminal = Terminal(tmp_path, stored)
    try:
        for example in examples(page, heading):
            if page is README and example.words[:2] == ["merchant", "run"]:
                broker = terminal.typed("http://127.0.0.1:8000")
                set_up = ("init", "--broker", broker, "--yes", "--database", str(url_file))
                terminal.run("merchant", *set_up)
                terminal.run("merchant", "import", "shop")
            terminal.follow(example)
        if page is README:
            address = terminal.typed("http://127.0.0.1:8100")
            terminal.run("broker", "merchant", "admit", address, "--yes")
        terminal.see_the_rest()
        terminal.see_the_merchant()
        assert_books_after_a_sale(terminal, tmp_path)
    finally:
        terminal.end()


def assert_books_after_a_sale(terminal: Terminal, folder: Path) -> None:
    """The audit's last line, as operations.md quotes it."""
    link = terminal.run("merchant", "link").split()[0]
    terminal.run("customer", "join", link)
    (folder / "password").write_text(PASSWORD + "\n")
    terminal.run("customer", "register", "maria", "--password-file", str(folder / "password"))
    terminal.run("broker", "credit", "maria", "20")
    terminal.run("broker", "voucher", "issue", "--count", "2", "--value", "20.00")
    terminal.run("customer", "buy", "knots", "--yes", "--account", "--out", str(folder))
    quoted = section_of(OPERATIONS, "PostgreSQL").split("`Paid in ")[1].split("`")[0]
    assert " ".join(quoted.split()) in " ".join(terminal.run("broker", "audit").split())
