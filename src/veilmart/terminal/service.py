"""The options of `run` that a supervisor of services uses."""

import os
import sys
from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter

from veilmart.terminal.numbers import PORT_MAX, whole
from veilmart.transport.status import StatusPlace
from veilmart.transport.workers import WORKER_VARIABLE

STATUS_HOST = "127.0.0.1"
StatusPort = Annotated[
    int | None,
    Parameter(
        converter=whole(0, PORT_MAX),
        help="Answer /healthz and /metrics on this port of this machine (worker n: port + n); "
        "0: any.",
    ),
]
Log = Annotated[
    bool, Parameter(help="Redacted JSON lines on standard error instead of lines for people.")
]


@dataclass(frozen=True)
class Telling:
    """Where a server reports to: people (narrate), a log, a supervisor."""

    narrate: bool = False
    log: bool = False
    status_port: int | None = None

    def words(self) -> list[str]:
        """The same as options of a worker's command line."""
        words = ["--narrate"] if self.narrate else []
        words += ["--log"] if self.log else []
        return words if self.status_port is None else [*words, f"--status-port={self.status_port}"]

    def place(self) -> StatusPlace | None:
        """Where this process answers health and metrics; standard error names the port."""
        if self.status_port is None:
            return None
        number = int(os.environ.get(WORKER_VARIABLE, "0")) if self.status_port else 0
        return StatusPlace(STATUS_HOST, self.status_port + number, _tell)


def _tell(port: int) -> None:
    sys.stderr.write(f"Status on {STATUS_HOST}:{port}\n")
    sys.stderr.flush()
