"""The `veilmart` command: three roles and a demonstration."""

import sys

from cyclopts import App, Parameter

from veilmart import __version__
from veilmart.terminal.memory import keep_freed_memory


def build_app() -> App:
    """The whole command tree. Roles are imported by name, when their command is run."""
    app = App(
        name="veilmart",
        version=__version__,
        help="Sell digital goods through a broker that never learns what was bought.",
        default_parameter=Parameter(negative=()),
    )
    app.command("veilmart.broker.cli:app", name="broker", help="Carry messages, move money.")
    app.command("veilmart.merchant.cli:app", name="merchant", help="Sell products.")
    app.command("veilmart.customer.cli:app", name="customer", help="Browse, buy, keep.")
    app.command("veilmart.demo.cli:demo", name="demo", help="A whole market on this machine.")
    return app


def main() -> None:
    """Entry point; the exit code is the command's."""
    keep_freed_memory()
    result = build_app()()
    sys.exit(result if isinstance(result, int) else 0)
