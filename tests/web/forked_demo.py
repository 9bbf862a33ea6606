"""`veilmart` whose demonstration forks its programs, as `tests.support.programs` does.

A demonstration starts eight; each fresh interpreter takes 0.6 s of processor time. That they are
started as a person's are is shown by `tests/system/test_demo.py`.
"""

from unittest.mock import patch

from tests.support.programs import run_command
from tests.support.servers import Server
from veilmart.cli import main

if __name__ == "__main__":
    with (
        patch("veilmart.demo.market.Server", Server),
        patch("veilmart.demo.market.run_command", run_command),
        patch("veilmart.demo.web.running.run_command", run_command),
    ):
        main()
