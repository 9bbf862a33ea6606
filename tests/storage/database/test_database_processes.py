"""Several processes on one database file, and processes that are killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.storage.database.sample_tables import (
    MIGRATIONS,
    count,
    decide,
    metadata,
    names,
    open_sample,
)
from veilmart.errors import BadArgument, DatabaseFailure, Misuse
from veilmart.storage.database.open_database import open_database

WRITER = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.storage.database.sample_tables import decide, open_sample
database = open_sample(sys.argv[2])
for i in range(int(sys.argv[4])):
    database.run_now(decide, f"{sys.argv[3]}-{i}")
database.close()
"""

SERVER = """
import asyncio, os, sys
sys.path.insert(0, sys.argv[1])
from tests.storage.database.sample_tables import decide, open_sample

async def customer(database, number):
    for i in range(int(sys.argv[3])):
        await database.run(decide, f"{number}-{i}")
        os.write(1, f"{number}-{i}\\n".encode())

async def main():
    database = open_sample(sys.argv[2])
    await asyncio.gather(*(customer(database, number) for number in range(16)))
    await database.aclose()

asyncio.run(main())
"""


def start(program: str, *arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", program, str(Path(__file__).parents[3]), *map(str, arguments)]
    # Unbuffered: communicate() would not see what readline() has read ahead.
    return subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)


def test_processes_that_open_a_new_database_at_once_all_succeed(tmp_path: Path) -> None:
    file = tmp_path / "sample.db"
    processes = [start(WRITER, file, name, 5) for name in "abcd"]
    for process in processes:
        process.communicate(timeout=300)
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    database = open_sample(file)
    assert database.run_now(count) == 20
    database.close()


def test_a_command_writes_beside_a_busy_server(tmp_path: Path) -> None:
    file = tmp_path / "sample.db"
    server = start(SERVER, file, 250)
    assert server.stdout is not None
    server.stdout.readline()
    command = start(WRITER, file, "command", 20)
    rest, _ = server.communicate(timeout=300)
    command.communicate(timeout=300)
    assert (server.returncode, command.returncode) == (0, 0)
    assert rest.count(b"\n") == 16 * 250 - 1
    database = open_sample(file)
    assert database.run_now(count) == 16 * 250 + 20
    database.close()


@pytest.mark.parametrize("answers_before_the_kill", [1, 100, 1000])
def test_a_killed_server_loses_nothing_it_answered(
    tmp_path: Path, answers_before_the_kill: int
) -> None:
    file = tmp_path / "sample.db"
    server = start(SERVER, file, 100_000)
    assert server.stdout is not None
    heard = [server.stdout.readline() for _ in range(answers_before_the_kill)]
    server.send_signal(signal.SIGKILL)
    rest = server.communicate(timeout=300)[0].splitlines(keepends=True)
    answered = {line.decode().strip() for line in [*heard, *rest] if line.endswith(b"\n")}
    assert server.returncode == -signal.SIGKILL
    database = open_sample(file)
    kept = database.run_now(names)
    database.close()
    assert len(answered) >= answers_before_the_kill
    assert answered <= kept


def test_a_full_file_system_is_said(tmp_path: Path) -> None:
    """A file size limit makes the write of the WAL fail as a full disk does."""
    program = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from tests.storage.database.sample_tables import count, decide, open_sample
from veilmart.errors import StorageFailure
database = open_sample(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database.run_now(decide, "first")
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
try:
    database.run_now(decide, "x" * 900_000)
except StorageFailure:
    print("told")
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
database.run_now(decide, "second")
print(database.run_now(count))
"""
    process = start(program, tmp_path / "sample.db")
    assert process.communicate(timeout=300)[0].split() == [b"told", b"2"]


def test_the_files_are_private(tmp_path: Path) -> None:
    file = tmp_path / "sample.db"
    database = open_sample(file)
    database.run_now(decide, "x")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    database.close()
    assert {"sample.db", "sample.db-wal", "sample.db-shm"} <= set(modes)
    assert set(modes.values()) == {0o600}
    file.chmod(0o644)
    open_sample(file).close()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_connection_is_set_up_for_money(tmp_path: Path) -> None:
    database = open_sample(tmp_path / "sample.db")

    def settings(connection):
        def pragma(name: str):
            return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

        return pragma("journal_mode"), pragma("synchronous"), pragma("foreign_keys")

    assert database.run_now(settings) == ("wal", 2, 1)
    database.close()


def test_a_failed_migration_leaves_the_old_database(tmp_path: Path) -> None:
    versions = tmp_path / "role" / "versions"
    versions.mkdir(parents=True)
    first = (MIGRATIONS / "versions" / "0001_first.py").read_text()
    (versions / "0001_first.py").write_text(first)
    file = tmp_path / "sample.db"
    database = open_database(file, metadata, versions.parent)
    database.run_now(decide, "x")
    database.close()
    second = 'from alembic import op\nrevision, down_revision = "0002", "0001"\ndef upgrade():\n'
    (versions / "0002_bad.py").write_text(
        second + '    op.execute("CREATE TABLE half (a)")\n    op.execute("NOT SQL")\n'
    )
    with pytest.raises(DatabaseFailure):
        open_database(file, metadata, versions.parent)
    (versions / "0002_bad.py").unlink()
    database = open_database(file, metadata, versions.parent)
    tables = database.run_now(
        lambda connection: set(
            connection.exec_driver_sql("SELECT name FROM sqlite_schema").scalars()
        )
    )
    assert "half" not in tables
    assert database.run_now(count) == 1
    database.close()


def test_a_database_from_the_future_is_refused(tmp_path: Path) -> None:
    versions = tmp_path / "role" / "versions"
    versions.mkdir(parents=True)
    first = (MIGRATIONS / "versions" / "0001_first.py").read_text()
    (versions / "0001_first.py").write_text(first)
    open_sample(tmp_path / "sample.db").close()
    with pytest.raises(DatabaseFailure, match="newer"):
        open_database(tmp_path / "sample.db", metadata, versions.parent)


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(BadArgument):
        open_sample("mysql://localhost/sample")
    garbage = tmp_path / "garbage.db"
    garbage.write_bytes(os.urandom(8192))
    with pytest.raises(DatabaseFailure):
        open_sample(garbage)
    with pytest.raises(Misuse):
        open_database(tmp_path / "sample.db", metadata, tmp_path)
