"""The `veilmart` command: three roles and a demonstration."""

import sys
from typing import TYPE_CHECKING, Any

from veilmart import __version__
from veilmart.storage.files.names import encodable
from veilmart.terminal.memory import collect_seldom, end_soon, keep_freed_memory

if TYPE_CHECKING:
    from cyclopts import App


def build_app() -> "App":
    """The whole command tree. Roles are imported by name, when their command is run."""
    from cyclopts import App, Parameter

    from veilmart.terminal.completion import installer

    app = App(
        name="veilmart",
        version=__version__,
        help="Sell digital goods through a broker that never learns what was bought.",
        default_parameter=Parameter(negative=(), validator=_refuse_what_is_no_text),
    )
    app.command("veilmart.broker.cli.root:app", name="broker", help="Carry messages, move money.")
    app.command("veilmart.merchant.cli.root:app", name="merchant", help="Sell products.")
    app.command("veilmart.customer.cli.root:app", name="customer", help="Browse, buy, keep.")
    app.command("veilmart.demo.cli:demo", name="demo", help="A whole market on this machine.")
    app.command(installer(app), name="--install-completion")
    return app


def _refuse_what_is_no_text(_kind: Any, value: Any) -> None:
    """Names of files may hold any bytes; every other word is UTF-8. Raises ValueError."""
    for text in value if isinstance(value, list | tuple) else (value,):
        if isinstance(text, str) and not encodable(text):
            raise ValueError(f"{text[:80]!r} is not UTF-8 text.")


def main() -> None:
    """Entry point; the exit code is the command's.

    Most of a short command's time goes into imports, so they begin when memory is set up for them.
    """
    collect_seldom()
    keep_freed_memory()
    from cyclopts import CycloptsError

    from veilmart.errors import BadArgument
    from veilmart.terminal.command import report_error
    from veilmart.terminal.streams import guard_streams

    guard_streams()
    words = sys.argv[1:]
    json = wants_json(words)
    try:
        result = build_app()(words, exit_on_error=False, print_error=False)
    except CycloptsError as fault:
        sys.exit(report_error(BadArgument(" ".join(str(fault).split())), json))
    finally:
        end_soon()
    sys.exit(result if isinstance(result, int) else 0)


def wants_json(words: list[str]) -> bool:
    """Whether `--json` is among a command's words; what follows "--" is no option."""
    options = words[: words.index("--")] if "--" in words else words
    return "--json" in options
