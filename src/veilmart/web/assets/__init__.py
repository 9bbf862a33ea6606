"""Style sheets and scripts that ship with the program: read once, served from memory."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import msgspec

from veilmart.errors import Misuse

# One file: htmx looks at the page as soon as it has run, and an extension that comes later is
# not asked about elements that are there already.
BUNDLE = "scripts.js"
_BUNDLED = ("htmx.js", "hx-sse.js", "face.js")
_TYPES = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
_TYPES |= {"svg": "image/svg+xml"}


@dataclass(frozen=True)
class Asset:
    """One file as it is served."""

    content: bytes
    media_type: str


class Foreign(msgspec.Struct, frozen=True):
    """A file that others wrote. sha256: hexadecimal; origin: package, version and path in it."""

    file: str
    sha256: str
    origin: str
    licence: str
    licence_file: str


def foreign_assets() -> list[Foreign]:
    """The entries of foreign.json."""
    return msgspec.json.decode((files(__name__) / "foreign.json").read_bytes(), type=list[Foreign])


def load_assets() -> dict[str, Asset]:
    """File name → asset. Raises Misuse when a file of others is not the one that is noted."""
    noted = {entry.file: entry.sha256 for entry in foreign_assets()}
    found: dict[str, Asset] = {}
    for file in files(__name__).iterdir():
        kind = _TYPES.get(file.name.rpartition(".")[2])
        if kind is None:
            continue
        content = file.read_bytes()
        if file.name in noted and sha256(content).hexdigest() != noted[file.name]:
            raise Misuse(f"The file {file.name} is not the one that was shipped.")
        found[file.name] = Asset(content, kind)
    bundle = b";\n".join(found[name].content for name in _BUNDLED)
    return found | {BUNDLE: Asset(bundle, _TYPES["js"])}
