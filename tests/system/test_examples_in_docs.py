"""The README's path by hand is typed as it stands there, and says what stands there.

Fingerprints, session names, ports and homes are of one machine; every other line must come, in the
order of the page. What a person typed is in the example behind its question.
"""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect

README = Path(__file__).resolve().parents[2] / "README.md"
SECONDS = 90
PASSWORD = "correct horse battery"
QUESTION = re.compile(r"^(.*\(y/n\) |Username: |Enter your selection: |Password:)(.*)$")
OF_ONE_MACHINE = (  # as `re.escape` writes it, and what stands for it
    (r"[a-z2-7]{4}(?:\\-[a-z2-7]{4}){12}", r"[a-z2-7-]{64}"),
    (r"[a-z2-7]{4}\\-[a-z2-7]{4}\\-…", r"[a-z2-7-]{64}"),
    (r"fingerprint\\ [0-9a-f]{16}", r"fingerprint [0-9a-f]{16}"),
    (r"127\\.0\\.0\\.1:8000", r"127\.0\.0\.1:\d+"),
    (r"/home/maria/", r"/\S+/"),
)


@dataclass(frozen=True)
class Example:
    """words: behind `veilmart`. lines: what the page says that the program says."""

    words: list[str]
    lines: list[str]


def examples(heading: str) -> Iterator[Example]:
    """Of the blocks below one heading of the README that begin with a command."""
    section = README.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    for block in re.findall(r"^```\n(\$ .*?)^```", section, re.MULTILINE | re.DOTALL):
        for example in block.split("$ veilmart ")[1:]:
            words, *lines = example.rstrip("\n").split("\n")
            yield Example(words.split(), lines)


def as_pattern(line: str) -> str:
    """A regular expression that fits the line on every machine."""
    pattern = re.escape(line)
    for found, instead in OF_ONE_MACHINE:
        pattern = re.sub(found, instead.replace("\\", r"\\"), pattern)
    return pattern


class Terminal:
    """Programs on terminals of 200 columns, with the homes below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.url = ""
        self._running: list[pexpect.spawn[str]] = []

    def start(self, words: list[str]) -> "pexpect.spawn[str]":
        words = [word.replace("http://127.0.0.1:8000", self.url) for word in words]
        if words[:2] == ["broker", "run"]:
            words += ["--port", "0"]
        return pexpect.spawn(
            sys.executable,
            ["-m", "veilmart", *words],
            cwd=self._folder,
            env={**os.environ, "VEILMART_HOME": str(self._folder), "TERM": "dumb"},
            dimensions=(50, 200),
            encoding="utf-8",
            timeout=SECONDS,
        )

    def follow(self, example: Example) -> None:
        """Type the command and its answers, and see every line of the page."""
        screen = self.start(example.words)
        for line in example.lines:
            question = QUESTION.match(line)
            if question is not None:
                screen.expect_exact(question[1])
                screen.sendline(question[2] or PASSWORD)
                continue
            screen.expect(as_pattern(line))
            assert isinstance(screen.after, str)
            if "Broker listening on " in screen.after:
                self.url = "http://" + screen.after.split()[-1]
        if example.words[1] == "run":
            self._running.append(screen)
            return
        if example.words[1] == "shop":
            screen.expect_exact("Enter your selection: ")
            screen.sendline("0")
        self.finish(screen)

    def finish(self, screen: "pexpect.spawn[str]") -> str:
        """What is left to say until the end, which is exit code 0."""
        screen.expect(pexpect.EOF)
        screen.close()
        assert screen.exitstatus == 0, screen.before
        return str(screen.before)

    def end(self) -> None:
        for screen in self._running:
            screen.close(force=True)


def test_the_readmes_path_by_hand_is_what_happens(tmp_path: Path) -> None:
    ebooks = tmp_path / "ebooks"
    ebooks.mkdir()
    for number, name in enumerate(("garden-year", "knots", "night-sky")):
        (ebooks / f"{name}.txt").write_bytes(b"A book.\n" * (1250 + number))
    terminal = Terminal(tmp_path)
    try:
        for example in examples("The same by hand, in three terminals"):
            if example.words == ["customer", "shop"]:
                prepare(terminal)
            terminal.follow(example)
    finally:
        terminal.end()


def prepare(terminal: Terminal) -> None:
    """What the page says in words: join, register, credit."""
    link = terminal.finish(terminal.start(["merchant", "link"])).split()[0]
    terminal.finish(terminal.start(["customer", "join", link]))
    registering = terminal.start(["customer", "register", "maria"])
    for question in ("Password: ", "Repeat it: "):
        registering.expect_exact(question)
        registering.sendline(PASSWORD)
    terminal.finish(registering)
    terminal.finish(terminal.start(["broker", "credit", "maria", "100"]))
