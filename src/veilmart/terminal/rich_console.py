"""Drawing with `rich`, where lines of text are not enough: bars and tables of the demonstration."""

from rich.console import Console

from veilmart.terminal.console import Terminal


def rich_console(terminal: Terminal) -> Console:
    """It prints text unchanged, too: no markup, no emoji for words, no wrapping."""
    return Console(
        file=terminal.console.file, highlight=False, markup=False, emoji=False, soft_wrap=True
    )
