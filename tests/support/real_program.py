"""`veilmart` as a person starts it: a process with streams of its own."""

import os
import subprocess
import sys
from pathlib import Path

SECONDS = 60


def program(
    *words: str,
    home: Path,
    env: dict[str, str] | None = None,
    stdin: str | None = None,
    shell: str = "",
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end. shell: what a shell adds, such as "> /dev/full"."""
    command = ["sh", "-c", f'exec "$0" "$@" {shell}', sys.executable, "-m", "veilmart", *words]
    return subprocess.run(
        command,
        env={**os.environ, "VEILMART_HOME": str(home), **(env or {})},
        input=None if stdin is None else stdin.encode(),
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
