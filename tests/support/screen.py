"""`veilmart ...` on a pseudo-terminal: forked by `tests.support.programs`, driven with pexpect."""

import os
import termios
from collections.abc import Mapping
from multiprocessing.util import Finalize
from pathlib import Path

import pexpect
from pexpect.fdpexpect import fdspawn

from tests.support.programs import Program

SECONDS = 120
LINES = 24
INTERRUPT, END_OF_FILE = "\x03", "\x04"  # what Ctrl-C and Ctrl-D type


class Screen(fdspawn):  # type: ignore[misc] # pexpect has no types
    """Like `pexpect.spawn`. The terminal is the program's three streams and controls it.

    module: another one to run. exitstatus: minus the signal that ended it, None before `close`.
    """

    def __init__(
        self,
        *words: str,
        env: Mapping[str, str],
        module: str = "veilmart",
        cwd: Path | None = None,
        columns: int = 80,
        timeout: float = SECONDS,
    ) -> None:
        ours, theirs = os.openpty()
        with os.fdopen(theirs, "r+b", buffering=0) as terminal:
            termios.tcsetwinsize(terminal, (LINES, columns))
            self.program = Program(
                *words,
                env=env,
                module=module,
                cwd=cwd,
                stdin=terminal,
                stdout=terminal,
                stderr=terminal,
                controlled=True,
            )
        # Before multiprocessing waits for its processes: a failed test leaves one at a question.
        Finalize(self, self.program.kill, exitpriority=0)
        self.exitstatus: int | None = None
        super().__init__(ours, timeout=timeout, encoding="utf-8")

    def __str__(self) -> str:
        """For a failed `expect`: what came and was not expected."""
        return f"The screen says: {self.before!r}"

    def sendintr(self) -> None:
        self.send(INTERRUPT)

    def sendeof(self) -> None:
        self.send(END_OF_FILE)

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.child_fd)[3] & termios.ECHO)

    def close(self, force: bool = False) -> None:
        """Hang up and wait for the end. force: SIGTERM too, then SIGKILL."""
        super().close()
        self.exitstatus = self.program.stop() if force else self.program.wait(SECONDS)


def on_a_terminal(
    *words: str, home: Path, types: str, after: str, columns: int = 80, module: str = "veilmart"
) -> tuple[int | None, str]:
    """Run a command to its end; `types` is typed once it has said `after`. Exit code, output."""
    env = {**os.environ, "VEILMART_HOME": str(home), "COLUMNS": str(columns), "TERM": "xterm"}
    screen = Screen(*words, env=env, module=module, columns=columns)
    said = ""
    if types:
        screen.expect_exact(after)
        said = screen.before + after
        screen.send(types)
    screen.expect(pexpect.EOF)
    screen.close()
    return screen.exitstatus, said + screen.before
