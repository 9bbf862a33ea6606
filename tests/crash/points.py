"""The points at which a program can die, seen from inside it. Runs in the doomed process alone.

A point is "DOING/WHAT/MOMENT". DOING: the kind of the request that is being answered, or "" for a
program's own doing. WHAT: "" for the request itself, ">KIND" for a question put to the next party,
otherwise the name of a transaction or of a step on the disk. Moments:

    received      a request is opened, nothing is done yet
    uncommitted   a transaction has written, COMMIT has not begun
    committed     COMMIT is over, nobody has heard of it
    answered      the answer is on its way
    unsent        a question is about to be sent
    heard         its answer has come, nothing is done with it
    unsaved       a file is about to get its name
    saved         it has it

Programs know nothing of this: `watch` wraps the classes that every program uses, in one process.
What is to happen is read from a file at each point, so that a running server can be doomed.
"""

import functools
import os
import signal
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from veilmart.protocol.stream_frames import PATHS, Frame
from veilmart.protocol.tunnel import PendingRequest, ReceivedRequest
from veilmart.storage.database.postgres_database import PostgresDatabase
from veilmart.storage.database.postgres_engine import WROTE
from veilmart.storage.database.sqlite_database import SqliteDatabase
from veilmart.storage.files.partial_file import PartialFile
from veilmart.transport.frame_exchange import FrameExchange
from veilmart.transport.routes import Routes
from veilmart.transport.stream_client import DialledClient, StreamClient

HANDSHAKES = {"/v1/session": "Handshake", "/v1/link": "LinkHandshake"}
_doing: ContextVar[str] = ContextVar("doing", default="")
_asking: ContextVar[str] = ContextVar("asking", default="")


class Doom:
    """What the file says: "kill POINT OCCURRENCE NUMBER", "trace", or nothing.

    killed: a file that gets the point's name just before the end. traced: one point per line.
    NUMBER tells one doom from the next, so that occurrences are counted from its beginning.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._order = folder / f"{name}.doom"
        self._killed = folder / f"{name}.killed"
        self._traced = folder / f"{name}.traced"
        self._seen: Counter[tuple[str, str]] = Counter()

    def passed(self, point: str) -> None:
        try:
            order = self._order.read_text().split()
        except FileNotFoundError:
            return
        if order and order[0] == "trace":
            _append(self._traced, point)
        elif order and order[1] == point:
            self._seen[order[3], point] += 1
            if self._seen[order[3], point] == int(order[2]):
                _append(self._killed, point)
                os.kill(os.getpid(), signal.SIGKILL)


def _append(file: Path, line: str) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.write(descriptor, f"{line}\n".encode())
    os.close(descriptor)


def watch(folder: Path, name: str) -> None:
    """From now on this process may die where `folder`/`name`.doom says."""
    passed = Doom(folder, name).passed
    _watch_requests(passed)
    _watch_questions(passed)
    for database in (SqliteDatabase, PostgresDatabase):
        _watch_database(database, passed)
    _watch_files(passed)


Passed = Callable[[str], None]


def _watch_requests(passed: Passed) -> None:
    open_request, answer = ReceivedRequest.__init__, Routes.__call__

    @functools.wraps(open_request)
    def opened(self: ReceivedRequest, *args: Any, **kwargs: Any) -> None:
        open_request(self, *args, **kwargs)
        _doing.set(type(self.message).__name__)
        passed(f"{_doing.get()}//received")

    @functools.wraps(answer)
    async def answered(self: Routes, scope: Any, receive: Any, send: Any) -> None:
        _doing.set(HANDSHAKES.get(scope.get("path", ""), ""))
        _asking.set("")
        if _doing.get():
            passed(f"{_doing.get()}//received")
        await answer(self, scope, receive, send)
        if _doing.get():
            passed(f"{_doing.get()}//answered")

    ReceivedRequest.__init__ = opened  # type: ignore[method-assign]
    Routes.__call__ = answered  # type: ignore[method-assign]
    work = FrameExchange._work

    @functools.wraps(work)
    async def worked(self: FrameExchange, frame: Frame) -> None:
        _doing.set(HANDSHAKES.get(PATHS.get(frame.kind, ""), ""))
        _asking.set("")
        if _doing.get():
            passed(f"{_doing.get()}//received")
        await work(self, frame)
        if _doing.get():
            passed(f"{_doing.get()}//answered")

    FrameExchange._work = worked  # type: ignore[method-assign]


def _watch_questions(passed: Passed) -> None:
    make = PendingRequest.__init__

    @functools.wraps(make)
    def made(self: PendingRequest, keys: Any, message: Any, *args: Any, **kwargs: Any) -> None:
        make(self, keys, message, *args, **kwargs)
        kind = type(message).__name__
        # What is relayed is sealed; its sender is this same program, just before.
        inner = _asking.get()
        _asking.set(f"Relay:{inner}" if kind == "Relay" else kind)

    PendingRequest.__init__ = made  # type: ignore[method-assign]
    for client in (StreamClient, DialledClient):
        _watch_client(client, passed)


def _watch_client(client: type[Any], passed: Passed) -> None:
    post = client.post

    @functools.wraps(post)
    async def posted(self: Any, path: str, *args: Any, **kwargs: Any) -> bytes:
        point = f"{_doing.get()}/>{HANDSHAKES.get(path, _asking.get())}"
        passed(f"{point}/unsent")
        heard: bytes = await post(self, path, *args, **kwargs)
        passed(f"{point}/heard")
        return heard

    client.post = posted


def _watch_database(database: type[Any], passed: Passed) -> None:
    run, run_now = database.run, database.run_now

    @functools.wraps(run)
    async def watched(self: Any, transaction: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        watching = _Transaction(transaction, passed)
        result = await run(self, watching.function, *args, **kwargs)
        watching.committed()
        return result

    @functools.wraps(run_now)
    def watched_now(self: Any, transaction: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if getattr(transaction, "watched", False):
            return run_now(self, transaction, *args, **kwargs)
        watching = _Transaction(transaction, passed)
        result = run_now(self, watching.function, *args, **kwargs)
        watching.committed()
        return result

    database.run, database.run_now = watched, watched_now


class _Transaction:
    """One transaction on its way; only those that write have points."""

    def __init__(self, transaction: Callable[..., Any], passed: Passed) -> None:
        named = getattr(transaction, "func", transaction)
        module = str(getattr(named, "__module__", "")).rpartition(".")[2]
        self._point = f"{_doing.get()}/{module}.{getattr(named, '__name__', 'transaction')}"
        self._passed = passed
        self._wrote = False

        @functools.wraps(transaction)
        def function(conn: Connection, *args: Any, **kwargs: Any) -> Any:
            before = _changes(conn)
            result = transaction(conn, *args, **kwargs)
            self._wrote = _changes(conn) != before
            if self._wrote:
                passed(f"{self._point}/uncommitted")
            return result

        function.watched = True  # type: ignore[attr-defined]
        self.function = function

    def committed(self) -> None:
        if self._wrote:
            self._passed(f"{self._point}/committed")


def _changes(conn: Connection) -> object:
    if conn.dialect.name == "sqlite":
        return conn.connection.driver_connection.total_changes  # type: ignore[union-attr]
    return WROTE in conn.info


def _watch_files(passed: Passed) -> None:
    finish = PartialFile.finish

    @functools.wraps(finish)
    def finished(self: PartialFile, **kwargs: Any) -> Path:
        passed("/file/unsaved")
        path = finish(self, **kwargs)
        passed("/file/saved")
        return path

    PartialFile.finish = finished  # type: ignore[method-assign]
