"""Several worker processes behind one port: started, supervised, restarted, stopped together.

The parent listens but serves no requests; every worker accepts on the inherited socket. A worker
that dies loses no waiting connection, and any idle worker accepts the next one. A worker whose
parent has died sees the end of its standard input and stops.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from veilmart.limits import GRACEFUL_STOP_SECONDS

PAUSE_FIRST_SECONDS = 0.5
PAUSE_MAX_SECONDS = 30.0
HEALTHY_SECONDS = 10.0
WORKER_VARIABLE = "VEILMART_WORKER"
"""Tells a worker its number, from 1."""
WORKERS_VARIABLE = "VEILMART_WORKERS"
"""Tells a worker how many there are."""
_STARTED_VARIABLE = "VEILMART_WORKER_STARTED"
"""Tells a worker the descriptor to write to when it serves."""
_KILL_AFTER_SECONDS = GRACEFUL_STOP_SECONDS + 5


async def run_workers(
    command: Sequence[str],
    count: int,
    listener: socket.socket,
    *,
    environment: Mapping[str, str],
    stop: asyncio.Event,
    on_started: Callable[[], None],
    on_ended: Callable[[int, int], None],
) -> None:
    """Keep `count` processes of `command --listener FD` running until `stop` is set.

    `on_started` is called when the first of them serves. One that ends is started again, at once if
    it was healthy, else after a growing pause. `on_ended(worker, exit code)` hears of each. Returns
    when all have stopped.
    """
    with _hears_of_the_first(on_started) as writing:
        given = {
            **environment,
            WORKERS_VARIABLE: str(count),
            _STARTED_VARIABLE: str(writing),
        }
        words = [*command, "--listener", str(listener.fileno())]
        descriptors = (listener.fileno(), writing)
        await asyncio.gather(
            *(
                _keep(number, words, descriptors, given, stop, on_ended)
                for number in range(1, count + 1)
            )
        )


@contextmanager
def _hears_of_the_first(on_started: Callable[[], None]) -> Iterator[int]:
    """The descriptor that each worker writes one byte to."""
    reading, writing = os.pipe()
    loop = asyncio.get_running_loop()

    def heard() -> None:
        loop.remove_reader(reading)
        on_started()

    loop.add_reader(reading, heard)
    try:
        yield writing
    finally:
        loop.remove_reader(reading)
        os.close(reading)
        os.close(writing)


async def _keep(
    number: int,
    command: Sequence[str],
    descriptors: tuple[int, ...],
    environment: Mapping[str, str],
    stop: asyncio.Event,
    on_ended: Callable[[int, int], None],
) -> None:
    stopped = asyncio.ensure_future(stop.wait())
    pause = PAUSE_FIRST_SECONDS
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        began = loop.time()
        process = await asyncio.create_subprocess_exec(
            *command,
            pass_fds=descriptors,
            stdin=asyncio.subprocess.PIPE,
            env={**environment, WORKER_VARIABLE: str(number)},
            # Ctrl-C in a terminal reaches the parent alone, which stops the workers in order.
            start_new_session=True,
        )
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await _end(process, ended)
            return
        on_ended(number, ended.result())
        if loop.time() - began >= HEALTHY_SECONDS:
            pause = PAUSE_FIRST_SECONDS
        await asyncio.wait({stopped}, timeout=pause)
        pause = min(PAUSE_MAX_SECONDS, pause * 2)
    stopped.cancel()


async def _end(process: asyncio.subprocess.Process, ended: "asyncio.Future[int]") -> None:
    """Let it finish its requests; kill it if it does not."""
    if not ended.done():
        process.send_signal(signal.SIGTERM)
        done, _ = await asyncio.wait({ended}, timeout=_KILL_AFTER_SECONDS)
        if not done:
            process.kill()
    await ended


def this_worker() -> tuple[int, int]:
    """Which worker this process is, from 1, and of how many."""
    return int(os.environ.get(WORKER_VARIABLE, "1")), int(os.environ.get(WORKERS_VARIABLE, "1"))


def say_started() -> None:
    """In a worker: tell the parent that it serves."""
    with suppress(OSError):  # the parent stops
        os.write(int(os.environ[_STARTED_VARIABLE]), b".")


def inherited_listener(descriptor: int) -> socket.socket:
    """The parent's listening socket, in a worker."""
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    os.set_inheritable(descriptor, False)
    return listener


async def stop_with_parent(stop: asyncio.Event) -> None:
    """Set `stop` when standard input ends: the parent is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        continue
    stop.set()
