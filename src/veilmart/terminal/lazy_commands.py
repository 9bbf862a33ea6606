"""Commands that are imported when they are run, so that the others and `--help` start at once."""

from collections.abc import Mapping

from cyclopts import App


def mount(app: App, package: str, commands: Mapping[str, tuple[str, str]]) -> None:
    """commands: name -> ("module:function" within `package`, its help as its docstring says it).

    A function or an App of that name; a test compares the help.
    """
    for name, (where, text) in commands.items():
        app.command(f"{package}.{where}", name=name, help=text)
