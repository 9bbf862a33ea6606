"""What a model says about itself: claims, guards, variants.

A model is a plain ProVerif file; the comments that begin with `(*@` are for the runner:

    (*@ claim NAME: sentence *)           the query below has to be true
    (*@ reached NAME: sentence *)         the query below has to be false: the protocol runs through
    (*@ known NAME: sentence *)           the query below has to be false: a limit, written down
    CODE (*@ guard NAME ... *)            this line goes where NAME is left out
    (*@ without NAME: CODE *)             and this one comes in its place
    (*@ variant V without NAME ... breaks CLAIM: sentence *)
    (*@ variant V without NAME ... keeps: sentence *)

A file whose processes hold `choice` has one claim, and no query: observational equivalence.
"""

import re
from dataclasses import dataclass
from pathlib import Path

MODELS = Path(__file__).parent / "models"

_ASK = re.compile(r"\(\*@ (claim|reached|known) (\w+): (.*?) \*\)", re.DOTALL)
_VARIANT = re.compile(
    r"\(\*@ variant (\w+) without ([\w ]+?) (?:(keeps)|breaks (\w+)): (.*?) \*\)", re.DOTALL
)
_QUERY = re.compile(r"\(\*@ (?:claim|reached|known) (\w+): .*? \*\)\s*query .*?\.\n", re.DOTALL)
_LIBRARIES = re.compile(r"Librar(?:y|ies): ([\w, ]+)\.")
_GUARD = re.compile(r"\(\*@ guard ([\w ]+?) \*\)")
_WITHOUT = re.compile(r"^(\s*)\(\*@ without (\w+): (.*?) \*\)\s*$")


@dataclass(frozen=True)
class Asked:
    """One query. kind: claim, reached or known."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Variant:
    """The model without some guards. breaks: the claim that an attack must break, or None."""

    name: str
    without: tuple[str, ...]
    breaks: str | None
    text: str


@dataclass(frozen=True)
class Model:
    """A file of `formal/models` with its libraries, in the order in which they are read."""

    name: str
    source: str
    libraries: tuple[tuple[str, str], ...]
    asked: tuple[Asked, ...]
    variants: tuple[Variant, ...]

    def guards(self) -> set[str]:
        """Every guard that a line of the model or of its libraries names."""
        texts = [self.source, *(text for _, text in self.libraries)]
        return {name for text in texts for line in _GUARD.findall(text) for name in line.split()}


def _flat(text: str) -> str:
    return " ".join(text.split())


def read_model(path: Path) -> Model:
    source = path.read_text()
    named = _LIBRARIES.search(source)
    names = [name.strip() for name in named[1].split(",")] if named else []
    return Model(
        path.stem,
        source,
        tuple((name, (MODELS / f"{name}.pvl").read_text()) for name in names),
        tuple(Asked(kind, name, _flat(text)) for kind, name, text in _ASK.findall(source)),
        tuple(
            Variant(name, tuple(without.split()), breaks or None, _flat(text))
            for name, without, _, breaks, text in _VARIANT.findall(source)
        ),
    )


def all_models() -> list[Model]:
    return [read_model(path) for path in sorted(MODELS.glob("*.pv"))]


def without(text: str, guards: tuple[str, ...]) -> str:
    """The text with these guards' lines left out and their replacements put in."""
    lines = (_varied(line, set(guards)) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line is not None)


def _varied(line: str, guards: set[str]) -> str | None:
    guard = _GUARD.search(line)
    if guard and set(guard[1].split()) & guards:
        return None
    replacement = _WITHOUT.match(line)
    if replacement and replacement[2] in guards:
        return replacement[1] + replacement[3]
    return line


def only(source: str, name: str) -> str:
    """The model with one query."""
    return _QUERY.sub(lambda found: found[0] if found[1] == name else "", source)
