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

from veilmart.errors import DiskFull, Interrupted, OutputLost, StorageFailure, VeilmartError
from veilmart.terminal.console import Ended, Terminal

_SYNC = "`veilmart customer sync` finishes a purchase that was under way."
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


def command(function: Callable[P, Outcome]) -> Callable[P, int]:
    """Make a command of a function: it runs to its end and returns its exit code.

    The function takes the keyword `common`, may be asynchronous, and returns its exit code or
    None for 0. `run` says what becomes of errors.
    """

    return _command(function, serving=False)


def server_command(function: Callable[P, Outcome]) -> Callable[P, int]:
    """Like `command`, on uvloop, which takes half the time per exchange and is slower to start."""
    return _command(function, serving=True)


def _command(function: Callable[P, Outcome], *, serving: bool) -> Callable[P, int]:
    @wraps(function)
    def run_it(*args: P.args, **options: P.kwargs) -> int:
        common = options.get("common")
        json = isinstance(common, Common) and common.json
        return run(
            lambda: function(*args, **options),
            json=json,
            serving=serving,
            shopping=".customer." in function.__module__,
        )

    return run_it


def run(
    function: Callable[[], Outcome], *, json: bool, serving: bool = False, shopping: bool = False
) -> int:
    """Run a command to its end and return its exit code. Ctrl-C is exit code 130.

    shopping: it is a customer's, so that errors may speak of a purchase and its money.
    """
    try:
        outcome = function()
        if isinstance(outcome, Coroutine):
            outcome = _run_serving(outcome) if serving else _run_briefly(outcome)
        sys.stdout.flush()
    except VeilmartError as error:
        if isinstance(error, StorageFailure) and not shopping:
            error.money_now = ""
            error.hint = _MAKE_ROOM if isinstance(error, DiskFull) else error.hint
        return report_error(error, json)
    except KeyboardInterrupt as signalled:
        code = report_error(Interrupted(_SYNC if shopping else ""), json)
        return 128 + signalled.number if isinstance(signalled, Ended) else code
    except BrokenPipeError:
        # The reader (head, less) went away: there is nobody left to tell.
        return 0
    return outcome or 0


def _run_briefly(command: Coroutine[Any, Any, int | None]) -> int | None:
    import asyncio

    return asyncio.run(command)


def _run_serving(command: Coroutine[Any, Any, int | None]) -> int | None:
    import asyncio

    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(command)
