"""A real PgBouncer (Debian's) before the tests' PostgreSQL. It listens on loopback only."""

import shutil
import socket
import subprocess
import time
from urllib.parse import quote

from sqlalchemy.engine import make_url

from tests.support.postgres_pair import free_port, owned_folder, owner

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
START_SECONDS = 10


class PgBouncer:
    """A context. mode: session or transaction. settings: more lines of its configuration."""

    def __init__(self, url: str, mode: str, settings: str = "", password: str = "secret") -> None:
        place = make_url(url)
        self._database = str(place.database)
        self._user = str(place.username)
        self._target = f"host={place.query['host']}" if "host" in place.query else ""
        self._target = self._target or f"host={place.host} port={place.port}"
        self._mode = mode
        self._settings = settings
        self._password = password
        self._folder = owned_folder("veilmart-pool-")
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        password = quote(self._password, safe="")
        return f"postgresql://{self._user}:{password}@127.0.0.1:{self.port}/{self._database}"

    def __enter__(self) -> "PgBouncer":
        users = self._folder / "users.txt"
        users.write_text(f'"{self._user}" "{self._password}"\n')
        config = self._folder / "pgbouncer.ini"
        config.write_text(
            f"[databases]\n{self._database} = {self._target} dbname={self._database}\n"
            "[pgbouncer]\nlisten_addr = 127.0.0.1\nunix_socket_dir =\n"
            f"listen_port = {self.port}\nauth_type = plain\nauth_file = {users}\n"
            f"pool_mode = {self._mode}\nmax_client_conn = 200\ndefault_pool_size = 60\n"
            f"{self._settings}\n"
        )
        user = owner()
        log = (self._folder / "log").open("wb")
        self._process = subprocess.Popen(
            [str(PGBOUNCER), str(config)], user=user, group=user, stdout=log, stderr=log, cwd="/"
        )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                if time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.05)

    def __exit__(self, *_error: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)
