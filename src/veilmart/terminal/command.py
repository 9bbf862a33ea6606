"""The frame of every command: common options in, exit code out.

A command is a thin function that calls a use case and draws its result; `@command` wraps it. `run`
turns typed errors into three lines on standard error (or one JSON object on standard output) and a
stable exit code; a traceback never reaches a person.
"""

import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeAlias

import msgspec
from cyclopts import Parameter

from veilmart.errors import (
    NO_MONEY,
    DiskFull,
    Interrupted,
    OutputLost,
    StorageFailure,
    VeilmartError,
)
from veilmart.terminal.console import Ended, Terminal

READER_GONE = 128 + 13  # as a shell says of a program that SIGPIPE has ended
_MAKE_ROOM = "Free some space, then run it again."
P = ParamSpec("P")
Outcome: TypeAlias = Coroutine[Any, Any, int | None] | int | None
"""What a command returns: its exit code, None for 0."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Common:
    """Options that every command has."""

    home: Annotated[
        Path | None,
        Parameter(help="Home folder of this role. Default: $VEILMART_HOME/ROLE or the platform's."),
    ] = None
    json: Annotated[bool, Parameter(help="Print one JSON object instead of text.")] = False

    def terminal(self) -> Terminal:
        return Terminal(json=self.json)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ServerCommon(Common):
    """Further options of the broker's and merchant's commands."""

    database: Annotated[
        str | None,
        Parameter(
            help="postgresql:// URL, or a file that holds it. Default: $VEILMART_DATABASE, then "
            "what init was given, then SQLite in the home folder."
        ),
    ] = None


def report_error(error: VeilmartError, json: bool) -> int:
    """Print an error as text or JSON; return the exit code."""
    if json and not isinstance(error, OutputLost):
        fields = {
            "code": error.code,
            "name": type(error).__name__,
            "summary": error.summary,
            "detail": error.detail,
            "money": error.money_now,
            "hint": error.hint,
        }
        try:
            sys.stdout.write(msgspec.json.encode({"error": fields}).decode() + "\n")
            sys.stdout.flush()
        except (OutputLost, BrokenPipeError):
            sys.stderr.write(error.explain() + "\n")
    else:
        sys.stderr.write(error.explain() + "\n")
    return error.exit_code


@dataclass(frozen=True)
class Subject:
    """What a command is about, so that its errors speak of nothing else.

    money: they say whether money moved. purchase: one may be under way when it ends.
    interrupted: what to do after Ctrl-C, where that is not to run it again.
    """

    money: bool = False
    purchase: bool = False
    interrupted: str = ""


PLAIN = Subject()
MONEY = Subject(money=True)
PURCHASE = Subject(
    money=True,
    purchase=True,
    interrupted="`veilmart customer sync` finishes a purchase that was under way.",
)


def command(function: Callable[P, Outcome]) -> Callable[P, int]:
    """Make a command of a function: it runs to its end and returns its exit code.

    The function takes the keyword `common`, may be asynchronous, and returns its exit code or
    None for 0. `run` says what becomes of errors.
    """

    return _command(function, PLAIN, serving=False)


def command_about(subject: Subject) -> Callable[[Callable[P, Outcome]], Callable[P, int]]:
    """Like `command`, with errors that fit the subject."""

    def make(function: Callable[P, Outcome]) -> Callable[P, int]:
        return _command(function, subject, serving=False)

    return make


def server_command(function: Callable[P, Outcome]) -> Callable[P, int]:
    """Like `command`, on uvloop, which takes half the time per exchange and is slower to start."""
    return _command(function, PLAIN, serving=True)


def _command(
    function: Callable[P, Outcome], subject: Subject, *, serving: bool
) -> Callable[P, int]:
    @wraps(function)
    def run_it(*args: P.args, **options: P.kwargs) -> int:
        common = options.get("common")
        json = isinstance(common, Common) and common.json
        return run(lambda: function(*args, **options), json=json, serving=serving, subject=subject)

    return run_it


def run(
    function: Callable[[], Outcome], *, json: bool, serving: bool = False, subject: Subject = PLAIN
) -> int:
    """Run a command to its end and return its exit code.

    Ctrl-C is exit code 130; a reader of the output that has gone away is 141.
    """
    try:
        outcome = function()
        if isinstance(outcome, Coroutine):
            outcome = _run_serving(outcome) if serving else _run_briefly(outcome)
        sys.stdout.flush()
    except VeilmartError as error:
        if not subject.money and error.money_now == NO_MONEY:
            error.money_now = ""
        if not subject.purchase and isinstance(error, StorageFailure):
            error.money_now = ""
            error.hint = _MAKE_ROOM if isinstance(error, DiskFull) else error.hint
        return report_error(error, json)
    except KeyboardInterrupt as signalled:
        interrupted = Interrupted()
        interrupted.hint = subject.interrupted or interrupted.hint
        code = report_error(interrupted, json)
        return 128 + signalled.number if isinstance(signalled, Ended) else code
    except BrokenPipeError:
        # The reader (head, less) went away: nobody is left to tell, and nothing more was done.
        return READER_GONE
    return outcome or 0


def _run_briefly(command: Coroutine[Any, Any, int | None]) -> int | None:
    import asyncio

    return asyncio.run(command)


def _run_serving(command: Coroutine[Any, Any, int | None]) -> int | None:
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(command)
