"""Commands are imported when they are run: what `--help` says without it is what they say."""

import importlib
import inspect
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from veilmart.customer.wallet.wallet import open_wallet
from veilmart.terminal.clock import unix_now

ROLES = ("broker", "merchant", "customer")
NEVER_AT_HELP = ("sqlalchemy", "numpy", "cryptography", "aiohttp", "uvicorn", "PIL", "websockets")
NEVER_IN_A_LISTING = ("numpy", "aiohttp", "websockets", "uvicorn", "PIL", "rich", "argon2")
HELP_RATIO, LISTING_RATIO = 0.9, 1.75  # measured: 0.76 and 1.5


@pytest.mark.parametrize("role", ROLES)
def test_the_help_in_the_tree_is_each_commands_own(role: str) -> None:
    app = importlib.import_module(f"veilmart.{role}.cli.root").app
    seen = 0
    for name in app:
        command = app[name]
        function = command.default_command
        if name.startswith("-") or function is None or any(n[0] != "-" for n in command):
            continue
        said = f"copy the docstring of {name} to src/veilmart/{role}/cli/root.py"
        assert command.help == inspect.getdoc(function), said
        seen += 1
    assert seen > 10


@pytest.mark.parametrize("words", [[], *[[role] for role in ROLES]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = (
        "import sys, json, io, contextlib\n"
        f"sys.argv = ['veilmart', *{words!r}, '--help']\n"
        "from veilmart.cli import main\n"
        "try:\n"
        "    with contextlib.redirect_stdout(io.StringIO()): main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert not loaded & set(NEVER_AT_HELP)


def test_a_local_listing_imports_nothing_of_the_network(tmp_path: Path) -> None:
    open_wallet(tmp_path, unix_now, os.urandom).close()
    program = (
        "import sys, json, io, contextlib\n"
        f"sys.argv = ['veilmart', 'customer', 'orders', '--home', {str(tmp_path)!r}]\n"
        "from veilmart.cli import main\n"
        "try:\n"
        "    with contextlib.redirect_stdout(io.StringIO()): main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "sqlalchemy" in loaded
    assert not loaded & set(NEVER_IN_A_LISTING)


# ---- processor time, as a ratio so that it holds on any machine ---------------------------------

ROUNDS = 4
PROGRAM = str(Path(sys.executable).with_name("veilmart"))


def processor_seconds(command: tuple[str, ...]) -> float:
    """User and system time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_commands_start_in_the_time_of_what_they_need(tmp_path: Path) -> None:
    """Each takes its least time in alternating runs: other work on the machine only adds time."""
    open_wallet(tmp_path, unix_now, os.urandom).close()
    commands = {
        "libraries": (sys.executable, "-c", "import sqlalchemy, cryptography"),
        "help": (PROGRAM, "--help"),
        "listing": (PROGRAM, "customer", "orders", "--home", str(tmp_path)),
    }
    runs = [
        {name: processor_seconds(command) for name, command in commands.items()}
        for _ in range(ROUNDS)
    ]
    least = {name: min(run[name] for run in runs) for name in commands}
    assert least["help"] < HELP_RATIO * least["libraries"], least
    assert least["listing"] < LISTING_RATIO * least["libraries"], least
