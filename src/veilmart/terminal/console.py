"""Talking to a person, or to a program that reads JSON."""

import getpass
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import msgspec

from veilmart.errors import BadArgument, InputEnded, NeedsConfirmation
from veilmart.storage.files.names import encodable, shown_path

SECRET_MAX_BYTES = 1024
_MOVES = dict.fromkeys(map(ord, "\a\b\v\f\r"))


class Console:
    """Lines of text, printed unchanged: no markup, no colours, no wrapping.

    What moves the cursor of a terminal is left out. Lines go to standard output (or standard
    error) as it is at that moment, unless `file` is given.
    """

    def __init__(self, file: TextIO | None = None, *, stderr: bool = False) -> None:
        self._file, self._stderr = file, stderr

    @property
    def file(self) -> TextIO:
        return self._file or (sys.stderr if self._stderr else sys.stdout)

    @property
    def is_terminal(self) -> bool:
        return self.file.isatty()

    @property
    def width(self) -> int:
        """Cells of a line of the terminal."""
        return shutil.get_terminal_size().columns

    def print(self, line: str = "") -> None:
        """Raises OutputLost, BrokenPipeError."""
        self.file.write(line.translate(_MOVES) + "\n")
        self.file.flush()


@dataclass
class Terminal:
    """One command's way to its user. With `json`, only `result` writes to standard output."""

    json: bool = False
    console: Console = field(default_factory=Console)
    errors: Console = field(default_factory=lambda: Console(stderr=True))

    def say(self, line: str = "") -> None:
        """A line for a person; silent with --json."""
        if not self.json:
            self.console.print(line)

    def result(self, value: Any, draw: Callable[[Console], None]) -> None:
        """The command's result: `value` as JSON, or drawn for a person."""
        if self.json:
            text = msgspec.json.encode(value, enc_hook=_encode_other).decode()
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        else:
            draw(self.console)

    def flush(self) -> None:
        """Write out what was said so far. Raises OutputLost, BrokenPipeError."""
        sys.stdout.flush()

    @property
    def interactive(self) -> bool:
        return sys.stdin.isatty()

    def ask(self, question: str) -> str:
        """One line of input. Raises InputEnded, and BadArgument for what is no text."""
        out = sys.stderr if self.json else sys.stdout
        with _interruptible():  # before the question can be seen, and answered with Ctrl-C
            out.write(question)
            out.flush()
            line = sys.stdin.readline()
        if not line:
            raise InputEnded
        return _text(line.rstrip("\r\n"))

    def confirm(self, question: str) -> bool:
        """Ask until the answer is y or n. Raises NeedsConfirmation at the end of the input."""
        while True:
            try:
                answer = self.ask(question).strip().lower()
            except InputEnded as fault:
                raise NeedsConfirmation from fault
            if answer in ("y", "yes"):
                return True
            if answer in ("n", "no"):
                return False
            self.say("Please answer y or n.")

    def secret_text(self, question: str, file: Path | None = None) -> str:
        """Like `secret`, of as many lines as the file has."""
        if file is None:
            return self.secret(question)
        if str(file) == "-":
            data = os.fsencode(sys.stdin.read(SECRET_MAX_BYTES + 1))
            if not data:
                raise InputEnded("A secret was expected on standard input.")
        else:
            data = _read_secret(file)
        return _decoded(data)

    def secret(self, question: str, file: Path | None = None) -> str:
        """A secret from `file` ("-" is standard input), a hidden prompt, or piped input."""
        if file is not None and str(file) != "-":
            return _first_line(_read_secret(file))
        if file is None and self.interactive:
            try:
                with _interruptible():
                    return _text(getpass.getpass(question))
            except (EOFError, UnicodeDecodeError) as fault:
                raise InputEnded from fault
        with _interruptible():
            line = sys.stdin.readline(SECRET_MAX_BYTES + 1)
        if not line:
            raise InputEnded("A secret was expected on standard input.")
        return _first_line(os.fsencode(line))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C ends a question at once; the event loop's own handler would wait for its answer.

    So do SIGTERM and the end of the terminal (SIGHUP), which would otherwise leave a terminal that
    shows nothing typed, and a home that was only begun.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler)}
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # `nohup` has it ignored
            before[number] = signal.signal(number, _end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Ended(KeyboardInterrupt):
    """A signal other than Ctrl-C has ended a question."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def _end(number: int, _frame: FrameType | None) -> None:
    raise Ended(number)


def _read_secret(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(SECRET_MAX_BYTES + 1)
    except OSError as fault:
        raise BadArgument(f"{shown_path(file)} cannot be read: {fault.strerror}.") from fault


def _first_line(data: bytes) -> str:
    lines = _decoded(data).splitlines()
    return lines[0] if lines else ""


def _decoded(data: bytes) -> str:
    """Without a byte order mark. Raises BadArgument."""
    if len(data) > SECRET_MAX_BYTES:
        raise BadArgument("A secret is too long.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadArgument("A secret is not UTF-8 text.") from fault


def _text(line: str) -> str:
    if not encodable(line):
        raise BadArgument("That is not UTF-8 text.")
    return line


def _encode_other(value: Any) -> Any:
    if isinstance(value, Path):
        return os.fsencode(value).decode(errors="backslashreplace")
    raise BadArgument(f"{type(value).__name__} cannot be shown as JSON.")
