"""Ctrl-C ends a long run with all of its processes, and leaves no folder behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.programs import environment
from tests.support.worker_pool import INTERRUPTED

ENDS_IN_SECONDS = 30
STARTS_IN_SECONDS = 60
TREE = Path(__file__).parents[2]
RUNS = {
    "crash": ("tests.crash", "purchase"),
    "sim": ("tests.simulator", "2000"),
    "hostile": ("tests.hostile",),
    "soak": ("tests.soak",),
}
BUSY = """
import os, sys, tempfile, time
from tests.support.worker_pool import until_interrupted, worker_pool

def work(number):
    with tempfile.TemporaryDirectory(dir=sys.argv[1], prefix=f"{number}-"):
        time.sleep(600)

def main():
    with worker_pool(2) as pool:
        list(pool.map(work, range(6)))

if __name__ == "__main__":
    sys.exit(until_interrupted(main))
"""


def members(group: int) -> list[int]:
    """Living processes of a session, whatever their parents are."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[3]) == group and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def begin(folder: Path, *words: str) -> subprocess.Popen[bytes]:
    """In a session of its own, with its temporary files in `folder`."""
    return subprocess.Popen(
        [sys.executable, *words],
        env=environment(TMPDIR=str(folder), PYTHONPATH=str(TREE)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def end(run: subprocess.Popen[bytes], *, group: bool) -> bytes:
    """SIGINT to the whole group, as a terminal sends it, or to the first process alone."""
    (os.killpg if group else os.kill)(run.pid, signal.SIGINT)
    try:
        _out, said = run.communicate(timeout=ENDS_IN_SECONDS)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == INTERRUPTED, said
    ends = time.monotonic() + ENDS_IN_SECONDS
    while time.monotonic() < ends and members(run.pid):
        time.sleep(0.1)
    assert not members(run.pid)
    return said


@pytest.mark.parametrize("group", [True, False])
def test_workers_end_what_they_do_and_begin_nothing_else(tmp_path: Path, group: bool) -> None:
    script = tmp_path / "busy.py"
    script.write_text(BUSY)
    folders = tmp_path / "folders"
    folders.mkdir()
    run = begin(tmp_path, str(script), str(folders))
    ends = time.monotonic() + STARTS_IN_SECONDS
    while len(list(folders.iterdir())) < 2:
        assert run.poll() is None and time.monotonic() < ends
        time.sleep(0.05)
    assert b"Traceback" not in end(run, group=group)
    assert list(folders.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize("name", RUNS)
def test_nothing_is_left_of(tmp_path: Path, name: str) -> None:
    run = begin(tmp_path, "-m", *RUNS[name])
    ends = time.monotonic() + STARTS_IN_SECONDS
    while len(members(run.pid)) < 3:
        assert run.poll() is None and time.monotonic() < ends
        time.sleep(0.1)
    time.sleep(5)
    assert run.poll() is None
    end(run, group=True)
    assert list(tmp_path.glob("veilmart-*")) == []
