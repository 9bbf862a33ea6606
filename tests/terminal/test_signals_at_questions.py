"""A signal at a question ends the command as Ctrl-C does; the terminal shows typed text again."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.screen import Screen
from tests.support.waiting import wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_hidden_question_that_is_ended_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    env = {**os.environ, "VEILMART_HOME": str(tmp_path), "COLUMNS": "20", "TERM": "dumb"}
    screen = Screen("customer", "wallet", "create", env=env)
    screen.expect("assphrase")
    wait_until(lambda: not screen.echoes())
    screen.program.send_signal(number)
    assert screen.program.wait() == 128 + number
    assert screen.echoes()
    screen.close()
    assert list(tmp_path.iterdir()) == []
