"""Every command of the program, for tests that sweep over all of them."""

from collections.abc import Iterator

from cyclopts import App, Argument

from veilmart.cli import build_app


def commands(app: App | None = None, words: tuple[str, ...] = ()) -> Iterator[tuple[str, App]]:
    """Each command as it is typed, with its app."""
    app = build_app() if app is None else app
    if app.default_command is not None:
        yield " ".join(words), app
    for name in app:
        if not name.startswith("-"):
            yield from commands(app[name], (*words, name))


def options() -> Iterator[tuple[str, Argument]]:
    """Each option of each command: "broker run --port" and the argument itself."""
    for words, app in commands():
        for argument in app.assemble_argument_collection(parse_docstring=False):
            yield f"{words} {argument.name}", argument
