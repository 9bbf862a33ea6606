"""Transcripts of a page, typed at the real programs.

Fingerprints, session names, ports and homes are of one machine; every other line must come, in the
order of the page. What a person typed is in the example behind its question. "..." stands for any
lines.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pexpect

from tests.support.screen import Screen

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"
SECONDS = 90
PASSWORD = "correct horse battery"
QUESTION = re.compile(r"^(.*\(y/n\) |Username: |Enter your selection: |Password:)(.*)$")
OF_ONE_MACHINE = (  # as `re.escape` writes it, and what stands for it
    (r"[a-z2-7]{4}(?:\\-[a-z2-7]{4}){12}", r"[a-z2-7-]{64}"),
    (r"[a-z2-7]{4}\\-[a-z2-7]{4}\\-(?:…|\\.\\.\\.)", r"[a-z2-7-]{64}"),
    (r"fingerprint\\ [0-9a-f]{16}", r"fingerprint [0-9a-f]{16}"),
    (r"127\\.0\\.0\\.1:8[01]00", r"127\.0\.0\.1:\d+"),
    (r"(?:\\ ){2,}", r" {2,}"),  # the width of a column is its widest cell's
    (r"/home/maria/", r"/\S+/"),
)
_DOCUMENTED = {
    "broker": ("http://127.0.0.1:8000", "http://market.example.org:8000"),
    "merchant": ("http://127.0.0.1:8100",),
}


@dataclass(frozen=True)
class Example:
    """words: behind `veilmart`. lines: what the page says that the program says."""

    words: list[str]
    lines: list[str]


def section_of(page: Path, heading: str) -> str:
    """What stands below one heading."""
    return page.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def examples(page: Path, heading: str) -> Iterator[Example]:
    """Of the blocks below one heading that begin with a command."""
    section = section_of(page, heading)
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

    def __init__(self, folder: Path, instead: dict[str, str] | None = None) -> None:
        """instead: what is typed for a word of the page."""
        self._folder = folder
        self._instead = {"8100": "0"} | ({} if instead is None else instead)
        self._running: list[tuple[Screen, list[str]]] = []

    def typed(self, word: str) -> str:
        """What is typed for a word of the page."""
        return self._instead.get(word, word)

    def start(self, words: list[str]) -> Screen:
        words = [self.typed(word) for word in words]
        if words[:2] == ["broker", "run"]:
            words += ["--port", "0"]
        env = {**os.environ, "VEILMART_HOME": str(self._folder), "TERM": "dumb"}
        return Screen(*words, env=env, cwd=self._folder, columns=200, timeout=SECONDS)

    def follow(self, example: Example) -> None:
        """Type the command and its answers, and see every line of the page.

        What a server says after it listens is looked for by `end`: others have to act first.
        """
        screen = self.start(example.words)
        for place, line in enumerate(example.lines):
            question = QUESTION.match(line)
            if question is not None:
                screen.expect_exact(question[1])
                screen.sendline(question[2] or PASSWORD)
            elif line != "...":
                screen.expect(as_pattern(line))
                assert isinstance(screen.after, str)
                if " listening on " in screen.after:
                    self._note_address(example.words[0], screen.after.split()[-1])
                    self._running.append((screen, example.lines[place + 1 :]))
                    return
        if example.words[1] == "run":
            self._running.append((screen, []))
            return
        if example.words[1] == "shop":
            screen.expect_exact("Enter your selection: ")
            screen.sendline("0")
        self.finish(screen)

    def _note_address(self, role: str, address: str) -> None:
        for url in _DOCUMENTED[role]:
            self._instead[url] = f"http://{address}"

    def finish(self, screen: Screen) -> str:
        """What is left to say until the end, which is exit code 0."""
        screen.expect(pexpect.EOF)
        screen.close()
        assert screen.exitstatus == 0, screen.before
        return str(screen.before)

    def run(self, *words: str) -> str:
        """A command that asks nothing; what it says."""
        return self.finish(self.start(list(words)))

    def see_the_rest(self) -> None:
        """What the page says that the servers say since they listen."""
        for screen, lines in self._running:
            for line in lines:
                screen.expect(as_pattern(line))

    def see_the_merchant(self) -> None:
        """What the broker, which was started first, says when its merchant is there.

        A merchant that dials comes some seconds after it was admitted.
        """
        self._running[0][0].expect("Merchant [^ ]+ authenticated ")

    def end(self) -> None:
        for screen, _ in self._running:
            screen.close(force=True)
