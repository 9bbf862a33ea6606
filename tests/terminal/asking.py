"""An asynchronous command that asks one question: `python -m tests.terminal.asking QUESTION`.

QUESTION: the name of the terminal's method.
"""

import sys

from veilmart.terminal.command import Common, command


@command
async def act(*, common: Common) -> None:
    getattr(common.terminal(), sys.argv[1])("Shall I? ")
    print("CARRIED OUT")


if __name__ == "__main__":
    sys.exit(act(common=Common()))
