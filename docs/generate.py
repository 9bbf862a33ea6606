"""Writes the pages that repeat what the code says, or compares them with --check.

    python docs/generate.py            writes
    python docs/generate.py --check    exit code 1 and the names of the pages that are out of date

docs/protocol/10-limits-and-errors.md comes from limits.py and errors/, docs/states.md from
protocol/*_states.py, docs/commands.md from the command tree, docs/house.md from the packages and
the import contracts in pyproject.toml.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from inspect import Parameter
from pathlib import Path
from typing import Any

from cyclopts import App
from cyclopts.argument import Argument

from veilmart import errors, limits
from veilmart.cli import build_app
from veilmart.protocol import invoice_states, order_states, wallet_states

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS.parent / "src"
COMMON_OPTIONS = frozenset({"--home", "--json"})
SERVER_OPTIONS = frozenset({"--database"})
_HEADING = re.compile(r"# (.+)")
_LIMIT = re.compile(r"([A-Z][A-Z0-9_]*) = .*?(?:  # (.+))?")
_UNITS = (("BYTES", "bytes"), ("SECONDS", "s"), ("CHARACTERS", "characters"))

FAMILIES: Mapping[type[errors.VeilmartError], str] = {
    errors.CannotDo: "What the person asked for cannot be done",
    errors.PeerFault: "The other side broke the protocol",
    errors.NetworkFailure: "The other side was not reached",
    errors.Refusal: "A rule of the other side said no",
    errors.StorageFailure: "The disk or the database said no",
    errors.TrustFailure: "Something that must never change has changed",
}


COMMANDS_INTRODUCTION = """\
Written by `docs/generate.py` from the commands themselves. Every command also has `--help` and, but
for the demo, `--json` (print one JSON object instead of text) and `--home FOLDER` (the role's home
folder; default `$VEILMART_HOME/ROLE` or the platform's place). Those of broker and merchant have
`--database` besides (a `postgresql://` URL, or a file that holds it; default `$VEILMART_DATABASE`,
then what `init` was given, then SQLite in the home folder). Exit codes are on [page 10 of the
protocol](protocol/10-limits-and-errors.md)."""


class UndescribedLimit(ValueError):
    """A limit has no comment that says what it bounds."""


def limits_and_errors() -> str:
    """Page 10 of the protocol."""
    parts = [
        "# 10. Limits and errors",
        "Written by `docs/generate.py` from `src/veilmart/limits.py` and `src/veilmart/errors/`.",
        "## 10.1 Limits",
        "What is larger, longer or later is refused before it costs anything.",
    ]
    for heading, rows in _limit_tables().items():
        parts += [f"**{heading.capitalize()}**", _table(("limit", "value", "what"), rows)]
    parts += [
        "A **plain file name** has 1 to 200 bytes of UTF-8, does not begin with a dot "
        "and holds\nneither `/` nor `\\` nor a code point of page 1, section 1.7.",
        "## 10.2 Errors",
        "Every error has one code, which is never reused. Peer faults, network failures and "
        "refusals\ncross the wire as {`code`, `detail`} (page 4); any other code from a peer is "
        "`UnexpectedAnswer`\n(2111). *Status* is the HTTP status outside a session, *exit* the "
        "command's exit code.\nNo money moved unless the row says otherwise.",
        _misuse(),
    ]
    for family, heading in FAMILIES.items():
        parts.append(f"### {heading}")
        parts.append(f"`{family.__name__}`, exit {family.exit_code} unless stated otherwise.")
        parts.append(_table(("code", "error", "status", "meaning and what to do"), _errors(family)))
    return "\n\n".join(parts) + "\n"


def _limit_tables() -> dict[str, list[tuple[str, ...]]]:
    """Heading → rows, read from the source: the comments are the meaning."""
    tables: dict[str, list[tuple[str, ...]]] = {}
    rows: list[tuple[str, ...]] = []
    for line in Path(limits.__file__).read_text().splitlines():
        if found := _HEADING.fullmatch(line):
            rows = tables.setdefault(found[1], [])
        elif found := _LIMIT.fullmatch(line):
            name, meaning = found.groups()
            if not meaning:
                raise UndescribedLimit(f"{name} in limits.py needs a comment: what does it bound?")
            rows.append((f"`{name}`", _value(name), meaning))
    return tables


def _value(name: str) -> str:
    """The number with its unit, and in a larger unit where that reads better."""
    number: int = getattr(limits, name)
    unit = next((word for ending, word in _UNITS if name.endswith(ending)), "")
    text = f"{number:,}".replace(",", " ") + (f" {unit}" if unit else "")
    larger = {"bytes": ((2**20, "MiB"), (2**10, "KiB")), "s": ((86400, "d"), (3600, "h"))}
    for size, word in larger.get(unit, ()):
        if number >= size and number % size == 0:
            return f"{text} ({number // size} {word})"
    return text


def _misuse() -> str:
    kind = errors.Misuse
    return (
        f"`{kind.__name__}` ({kind.code}), exit {kind.exit_code}: {kind.summary} {kind.hint} "
        "Never caused by a peer."
    )


def _errors(family: type[errors.VeilmartError]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for kind in sorted(errors.walk(family), key=lambda kind: kind.code):
        money = "" if kind.money == errors.NO_MONEY else f" {kind.money}".rstrip()
        own_exit = "" if kind.exit_code == family.exit_code else f" Exit {kind.exit_code}."
        meaning = f"{kind.summary}{money} *{kind.hint}*{own_exit}"
        rows.append((str(kind.code), f"`{kind.__name__}`", str(kind.http_status), meaning))
    return rows


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def states() -> str:
    """The three tables of a purchase, drawn."""
    parts = [
        "# States of a purchase",
        "Drawn by `docs/generate.py` from the tables `src/veilmart/protocol/*_states.py`; "
        "[page 9 of the protocol](protocol/09-purchase.md)\nsays what the events mean. A pair that "
        "is not here is `WrongOrderState` (4111).",
        *_machine("Broker's invoice", invoice_states.InvoiceState.OFFERED, invoice_states.INVOICE),
        *_machine("Wallet's order", wallet_states.WalletState.CONFIRMING, wallet_states.WALLET),
        *_machine("Merchant's order", order_states.OrderState.OFFERED, order_states.ORDER),
    ]
    return "\n\n".join(parts) + "\n"


def _machine(name: str, start: StrEnum, table: Mapping[Any, Any]) -> list[str]:
    money = isinstance(next(iter(table.values())), tuple)
    rows: list[tuple[str, ...]] = []
    drawing = ["```mermaid", "stateDiagram-v2", f"    [*] --> {start}"]
    for (state, event), outcome in table.items():
        target, effect = outcome if money else (outcome, "")
        shown = "" if effect in ("", invoice_states.InvoiceEffect.NONE) else f" / {effect}"
        drawing.append(f"    {state} --> {target}: {event}{shown}")
        rows.append((str(state), str(event), str(target)) + ((str(effect),) if money else ()))
    leaving = {state for (state, _), outcome in table.items() if _target(outcome) != state}
    drawing += [f"    {state} --> [*]" for state in type(start) if state not in leaving]
    drawing.append("```")
    heads = ("from", "event", "to") + (("money",) if money else ())
    return [f"## {name}", "\n".join(drawing), _table(heads, rows)]


def _target(outcome: Any) -> Any:
    return outcome[0] if isinstance(outcome, tuple) else outcome


def commands() -> str:
    """Every command with its options, from the command tree itself."""
    parts = [
        "# Commands",
        COMMANDS_INTRODUCTION,
    ]
    role = ""
    for path, command in command_tree(build_app()):
        if path[1] != role:
            role = path[1]
            parts.append(f"## {role}")
        rows = [_option(argument) for argument in own_options(command)]
        parts.append(f"### {' '.join(path)}\n\n{command.help.strip()}")
        if rows:
            parts.append(_table(("argument", "default", "meaning"), rows))
    return "\n\n".join(parts) + "\n"


def command_tree(app: App) -> Iterator[tuple[tuple[str, ...], App]]:
    """(path, command) of every command that does something, in the order of the help."""
    return _below(app, ("veilmart",))


def _below(app: App, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], App]]:
    if app.default_command is not None:
        yield path, app
    for name in sorted(app):
        if not name.startswith("-"):
            yield from _below(app[name], (*path, name))


def own_options(command: App) -> list[Argument]:
    """The command's arguments and options but for those that every command has."""
    shared = COMMON_OPTIONS | SERVER_OPTIONS
    arguments = command.assemble_argument_collection(parse_docstring=True)
    return [item for item in arguments if item.show and item.names[0] not in shared]


def _option(argument: Argument) -> tuple[str, ...]:
    # A negative form exists only where a command asks for it (`negative=()` in cli.py).
    denied = () if argument.parameter.negative else argument.negatives
    name = ", ".join(f"`{name}`" for name in argument.names if name not in denied)
    if argument.index is not None:
        name = f"`{argument.names[0].lstrip('-').upper()}`"
    default = argument.field_info.default
    shown = "" if default in (None, False, Parameter.empty, ()) else f"`{default}`"
    return name, "required" if argument.required else shown, argument.parameter.help or ""


def house() -> str:
    """The import contracts, drawn, and what each package says of itself."""
    project = tomllib.loads((SOURCE.parent / "pyproject.toml").read_text())
    parts = [
        "# The house",
        "Written by `docs/generate.py` from the packages and the import contracts of "
        "`pyproject.toml`, which `make lint` checks against\nthe code. A package may import what "
        "lies below it. What stands in one box is independent of each other.\n"
        "[How things travel through it](architecture.md).",
    ]
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["type"] != "layers":
            continue
        container = contract.get("containers", [""])[0]
        layers = [
            [name.strip().removeprefix("veilmart.") for name in layer.split(":")]
            for layer in contract["layers"]
        ]
        parts.append(f"## {container or 'veilmart'}")
        parts.append(_drawn_layers(layers))
        prefix = f"{container}." if container else "veilmart."
        rows = [(f"`{name}`", _first_line(prefix + name)) for layer in layers for name in layer]
        parts.append(_table(("package", "what lives there"), rows))
    return "\n\n".join(parts) + "\n"


def _drawn_layers(layers: list[list[str]]) -> str:
    lines = ["```mermaid", "flowchart TB"]
    lines += [f'    l{number}["{" | ".join(layer)}"]' for number, layer in enumerate(layers)]
    lines += [f"    l{number} --> l{number + 1}" for number in range(len(layers) - 1)]
    return "\n".join([*lines, "```"])


def _first_line(module: str) -> str:
    """The first sentence of a module's or package's docstring; modules are not imported."""
    place = SOURCE / module.replace(".", "/")
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text())) or ""
    return " ".join(text.partition("\n\n")[0].split())


PAGES: Mapping[str, Callable[[], str]] = {
    "protocol/10-limits-and-errors.md": limits_and_errors,
    "states.md": states,
    "commands.md": commands,
    "house.md": house,
}


def outdated() -> list[str]:
    """Names of the pages that differ from what would be written, or are not there."""
    found = []
    for name, make in PAGES.items():
        page = DOCS / name
        if not page.exists() or page.read_text() != make():
            found.append(name)
    return found


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"{__doc__}\n")
        return 2
    if arguments:
        found = outdated()
        for name in found:
            sys.stderr.write(f"docs/{name} is out of date: run python docs/generate.py\n")
        return 1 if found else 0
    for name, make in PAGES.items():
        (DOCS / name).write_text(make())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
