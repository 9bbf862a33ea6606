"""The broker's commands, called in this process."""

from pathlib import Path
from typing import Any

from veilmart.broker.cli.root import app


def run(*words: str, home: Path) -> int:
    result: Any = app([*words, "--home", str(home)], result_action="return_value")
    return int(result or 0)
