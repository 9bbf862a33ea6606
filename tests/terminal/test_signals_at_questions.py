"""A signal at a question ends the command as Ctrl-C does; the terminal shows typed text again."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

SECONDS = 60


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_hidden_question_that_is_ended_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    ours, theirs = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "veilmart", "customer", "wallet", "create"],
        env={**os.environ, "VEILMART_HOME": str(tmp_path), "COLUMNS": "20", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        said, ends = b"", time.monotonic() + SECONDS
        while b"assphrase" not in said.replace(b"\r\n", b""):
            said += os.read(ours, 4096)
        while _echoes(theirs) and time.monotonic() < ends:
            time.sleep(0.01)
        assert not _echoes(theirs)
        program.send_signal(number)
        assert program.wait(SECONDS) == 128 + number
        assert _echoes(theirs)
        assert list(tmp_path.iterdir()) == []
    finally:
        program.kill()
        program.wait()
        os.close(ours)
        os.close(theirs)


def _echoes(terminal: int) -> bool:
    """Whether the terminal shows what is typed."""
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)
