"""A server of several workers says that it serves when one of them does."""

import asyncio
import os
import socket
import sys
from pathlib import Path

from tests.support.waiting import until
from veilmart.transport.workers import run_workers

WORKER = """
import pathlib, sys, time
from veilmart.transport.workers import say_started

folder = pathlib.Path(sys.argv[1])
(folder / f"begun-{time.time_ns()}").touch()
while not (folder / "go").exists():
    time.sleep(0.01)
say_started()
(folder / f"said-{time.time_ns()}").touch()
sys.stdin.read()
"""


async def test_it_is_said_once_and_not_before_a_worker_serves(tmp_path: Path) -> None:
    said, stop = 0, asyncio.Event()

    def on_started() -> None:
        nonlocal said
        said += 1

    def begun(which: str) -> bool:
        return len(list(tmp_path.glob(f"{which}-*"))) == 2

    with socket.socket() as listener:
        running = asyncio.create_task(
            run_workers(
                [sys.executable, "-c", WORKER, str(tmp_path)],
                2,
                listener,
                environment=os.environ,
                stop=stop,
                on_started=on_started,
                on_ended=lambda _number, code: None,
            )
        )
        await until(lambda: begun("begun"))
        assert said == 0
        (tmp_path / "go").touch()
        await until(lambda: begun("said") and said)
        stop.set()
        await running
    assert said == 1
