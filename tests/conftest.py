"""What several suites share: a PostgreSQL server, started once and only if a test wants it."""

import warnings
from collections.abc import Iterator

import pytest

from tests.postgres import PostgresServer


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel's folder for sockets
        server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database of this test's own."""
    url = postgres_server.new_database()
    yield url
    postgres_server.drop(url)


ENGINES = ["sqlite", "postgresql"]


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """Which database a test runs on; modules that want both parametrise it indirectly."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture
def database_url(engine: str, request: pytest.FixtureRequest) -> str | None:
    """An empty PostgreSQL database, or None for SQLite in the test's own folder."""
    return request.getfixturevalue("postgres") if engine == "postgresql" else None


both_engines = pytest.mark.parametrize("engine", ENGINES, indirect=True)
