"""Names and texts from strangers, made safe for files and terminals."""

import os
import re
from pathlib import Path

from veilmart.characters import has_unseen, is_plain, without_unseen
from veilmart.errors import BadName
from veilmart.limits import NAME_MAX_BYTES

_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{device}{number}" for device in ("com", "lpt") for number in "123456789¹²³"]
)
_NOT_EVERYWHERE = frozenset('<>:"/\\|?*')
_SAFE_MAX_BYTES = 120
_SUFFIX_MAX_CHARACTERS = 16
# ECMA-48: a whole CSI or string sequence, then any other two-character escape.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f]).*?(?:\x07|\x1b\\|\x9c|$)"
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)


def check_file_name(name: str) -> str:
    """`name` itself when it is safe to create in any folder on any system, else `BadName`.

    1 to 200 bytes of UTF-8; no slash, backslash, NUL, control or direction character; no leading
    dot, no space at an end, no trailing dot, no name that Windows reserves for a device.
    """
    if not name:
        raise BadName("It is empty.")
    if has_unseen(name):
        raise BadName("It has characters that cannot be seen.")
    if len(name.encode()) > NAME_MAX_BYTES:
        raise BadName(f"It is longer than {NAME_MAX_BYTES} bytes.")
    if "/" in name or "\\" in name:
        raise BadName("It has a slash.")
    if name.startswith(".") or name.endswith(".") or name != name.strip(" "):
        raise BadName("It begins or ends with a dot or a space.")
    if name.split(".", 1)[0].rstrip().lower() in _RESERVED:
        raise BadName("Windows reserves it for a device.")
    return name


def safe_name(name: str) -> str:
    """A name like `name` that every file system and every locale can have.

    What exFAT, Windows or the locale refuses becomes "_"; an extension is kept, the length cut.
    """
    whole = "".join(_safe_character(character) for character in name)
    suffix = Path(whole).suffix[:_SUFFIX_MAX_CHARACTERS]
    stem = whole.removesuffix(Path(whole).suffix)
    while len(os.fsencode(stem + suffix)) > _SAFE_MAX_BYTES:
        stem = stem[:-1]
    return (stem.rstrip(" .") or "_") + suffix


def _safe_character(character: str) -> str:
    if character in _NOT_EVERYWHERE or has_unseen(character):
        return "_"
    try:
        os.fsencode(character)
    except UnicodeEncodeError:
        return "_"
    return character


def encodable(text: str) -> bool:
    """Whether UTF-8 has bytes for it: false for what the system gave us in another encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown_path(path: Path) -> str:
    """A path as it can be copied into a shell.

    As it is, or as $'...' with an escape for every byte that a terminal cannot show.
    """
    text = str(path)
    if not has_unseen(text):
        return text
    return "$'" + "".join(_shell_escape(character) for character in text) + "'"


def _shell_escape(character: str) -> str:
    if character in "'\\":
        return "\\" + character
    if not has_unseen(character):
        return character
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))


def visible(text: str) -> str:
    """`text` on one line without anything that could steer a terminal or turn its direction."""
    if is_plain(text):
        return text
    plain = _ESCAPES.sub("", text)
    plain = plain.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return without_unseen(plain)
