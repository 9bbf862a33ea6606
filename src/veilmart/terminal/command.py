"""The frame of every command: common options in, exit code out.

A command is a thin function that calls a use case and draws its result. `run` turns typed errors
into three lines on standard error (or one JSON object on standard output) and a stable exit code;
a traceback never reaches a person.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from veilmart.errors import Interrupted, VeilmartError
from veilmart.terminal.console import Terminal

HOME_VARIABLE = "VEILMART_HOME"


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


def report_error(error: VeilmartError, json: bool) -> int:
    """Print an error the way its reader wants it; returns the exit code."""
    if json:
        fields = {
            "code": error.code,
            "name": type(error).__name__,
            "summary": error.summary,
            "detail": error.detail,
            "money": error.money_now,
            "hint": error.hint,
        }
        sys.stdout.write(msgspec.json.encode({"error": fields}).decode() + "\n")
    else:
        sys.stderr.write(error.explain() + "\n")
    return error.exit_code


def run(
    command: Coroutine[Any, Any, int | None] | Callable[[], int | None],
    common: Common,
    *,
    serving: bool = False,
) -> int:
    """Run a command to its end and return its exit code. Ctrl-C is exit code 130.

    serving: on uvloop, which takes half the time per exchange and is slower to start.
    """
    try:
        if callable(command):
            return command() or 0
        if serving:
            return _run_serving(command) or 0
        return asyncio.run(command) or 0
    except VeilmartError as error:
        return report_error(error, common.json)
    except KeyboardInterrupt:
        return report_error(Interrupted(money=""), common.json)
    except BrokenPipeError:
        # The reader (head, less) went away: there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run_serving(command: Coroutine[Any, Any, int | None]) -> int | None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(command)
