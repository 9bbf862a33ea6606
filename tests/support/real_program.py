"""`veilmart` as a person starts it: a process with streams of its own."""

import os
import pty
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


def on_a_terminal(
    *words: str, home: Path, types: bytes, after: bytes, columns: int = 80, python: str = ""
) -> tuple[int, str]:
    """Run a command on a pseudo-terminal; `types` is typed once it has said `after`.

    python: a text to run instead.
    """
    env = {**os.environ, "VEILMART_HOME": str(home), "COLUMNS": str(columns), "TERM": "xterm"}
    child, descriptor = pty.fork()
    if child == 0:
        how = ["-c", python] if python else ["-m", "veilmart", *words]
        os.execvpe(sys.executable, [sys.executable, *how], env)
    said, typed = b"", not types
    while True:
        try:
            block = os.read(descriptor, 4096)
        except OSError:
            break
        if not block:
            break
        said += block
        if not typed and after in said:
            os.write(descriptor, types)
            typed = True
    _, status = os.waitpid(child, 0)
    os.close(descriptor)
    return os.waitstatus_to_exitcode(status), said.decode(errors="replace")
