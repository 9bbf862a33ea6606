"""Talking to a person, or to a program that reads JSON."""

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from veilmart.errors import BadArgument, NeedsConfirmation

SECRET_MAX_BYTES = 1024


@dataclass
class Terminal:
    """One command's way to its user. With `json`, only `result` writes to standard output."""

    json: bool = False
    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    errors: Console = field(default_factory=lambda: Console(stderr=True, highlight=False))

    def say(self, line: str = "") -> None:
        """A line for a person; silent with --json. Never interpreted as markup."""
        if not self.json:
            self.console.print(line, markup=False)

    def result(self, value: Any, draw: Callable[[Console], None]) -> None:
        """The command's result: `value` as JSON, or drawn for a person."""
        if self.json:
            text = msgspec.json.encode(value, enc_hook=_encode_other).decode()
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        else:
            draw(self.console)

    @property
    def interactive(self) -> bool:
        return sys.stdin.isatty()

    def ask(self, question: str) -> str:
        """One line of input. Raises NeedsConfirmation at the end of the input."""
        out = sys.stderr if self.json else sys.stdout
        out.write(question)
        out.flush()
        line = sys.stdin.readline()
        if not line:
            raise NeedsConfirmation
        return line.rstrip("\r\n")

    def confirm(self, question: str) -> bool:
        """Asks until the answer is y or n."""
        while True:
            answer = self.ask(question).strip().lower()
            if answer in ("y", "yes"):
                return True
            if answer in ("n", "no"):
                return False
            self.say("Please answer y or n.")

    def secret(self, question: str, file: Path | None = None) -> str:
        """A secret from `file` ("-" is standard input), a hidden prompt, or piped input."""
        if file is not None and str(file) != "-":
            try:
                return _first_line(file.read_bytes()[: SECRET_MAX_BYTES + 1])
            except OSError as fault:
                raise BadArgument(f"{file} cannot be read.") from fault
        if file is None and self.interactive:
            return getpass.getpass(question)
        line = sys.stdin.readline(SECRET_MAX_BYTES + 1)
        if not line:
            raise BadArgument("A secret was expected on standard input.")
        return _first_line(line.encode())


def _first_line(data: bytes) -> str:
    if len(data) > SECRET_MAX_BYTES:
        raise BadArgument("A secret is too long.")
    try:
        return data.decode().split("\n", 1)[0].rstrip("\r")
    except UnicodeDecodeError as fault:
        raise BadArgument("A secret is not UTF-8 text.") from fault


def _encode_other(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    raise BadArgument(f"{type(value).__name__} cannot be shown as JSON.")
