"""What the `run` commands of broker and merchant share: signals, workers' command lines."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from veilmart.errors import BadArgument
from veilmart.limits import WORKERS_MAX
from veilmart.terminal.command import ServerCommon
from veilmart.terminal.memory import serve_from_here
from veilmart.transport.workers import say_started

_DATABASE_VARIABLE = "VEILMART_DATABASE"


class Shareable(Protocol):
    """A database, as far as this file cares."""

    @property
    def shared(self) -> bool: ...


def stop_on_signals() -> asyncio.Event:
    """Set by SIGINT or SIGTERM."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def require_workers(count: int, database: Shareable) -> None:
    """Raises BadArgument for a number out of range or a database for one process only."""
    if not 1 <= count <= WORKERS_MAX:
        raise BadArgument(f"A server has 1 to {WORKERS_MAX} workers.")
    if count > 1 and not database.shared:
        raise BadArgument(
            "Several workers need PostgreSQL; pass --database postgresql://... to init and run."
        )


def worker_command(role: str, home: Path, more: Sequence[str]) -> list[str]:
    """Without the database, which may hold a password: that goes through the environment."""
    command = [sys.executable, "-m", "veilmart", role, "run", "--home", str(home.absolute())]
    return [*command, *more]


def worker_environment(common: ServerCommon) -> Mapping[str, str]:
    """Ours, with the database that the command line chose."""
    chosen = {} if common.database is None else {_DATABASE_VARIABLE: common.database}
    return {**os.environ, **chosen}


def worker_started(_port: int) -> None:
    """What a worker does when it serves."""
    serve_from_here()
    say_started()
