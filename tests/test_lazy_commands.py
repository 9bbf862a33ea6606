"""Commands are imported when they are run: what `--help` says without it is what they say."""

import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROLES = ("broker", "merchant", "customer")
NEVER_AT_HELP = ("sqlalchemy", "numpy", "cryptography", "aiohttp", "uvicorn", "PIL", "websockets")


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
    assert not loaded & {"numpy", "aiohttp", "websockets", "uvicorn", "PIL"}
