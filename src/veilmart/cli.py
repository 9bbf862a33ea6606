"""The `veilmart` command: three roles and a demonstration."""

import sys

from cyclopts import App, CycloptsError, Parameter

from veilmart import __version__
from veilmart.errors import BadArgument
from veilmart.terminal.command import report_error
from veilmart.terminal.memory import keep_freed_memory


def build_app() -> App:
    """The whole command tree. Roles are imported by name, when their command is run."""
    app = App(
        name="veilmart",
        version=__version__,
        help="Sell digital goods through a broker that never learns what was bought.",
        default_parameter=Parameter(negative=()),
    )
    app.command("veilmart.broker.cli.root:app", name="broker", help="Carry messages, move money.")
    app.command("veilmart.merchant.cli.root:app", name="merchant", help="Sell products.")
    app.command("veilmart.customer.cli.root:app", name="customer", help="Browse, buy, keep.")
    app.command("veilmart.demo.cli:demo", name="demo", help="A whole market on this machine.")
    return app


def main() -> None:
    """Entry point; the exit code is the command's."""
    keep_freed_memory()
    words = sys.argv[1:]
    json = wants_json(words)
    try:
        result = build_app()(words, exit_on_error=False, print_error=False)
    except CycloptsError as fault:
        sys.exit(report_error(BadArgument(" ".join(str(fault).split())), json))
    sys.exit(result if isinstance(result, int) else 0)


def wants_json(words: list[str]) -> bool:
    """Whether `--json` is among a command's words; what follows "--" is no option."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options
