"""A folder as a shop: its files are products, `shop.toml` beside them says the rest.

    price = "5.00"                     # of everything that names none itself

    ["atlas.pdf"]
    title = "Atlas of the northern sky"
    description = "Eighty maps."
    tags = ["stars", "maps"]
    price = "10.00"
    cover = "covers/atlas.png"
    sample = "samples/atlas-page-12.pdf"

A file that ends in .codes holds unique codes, one a line. Folders, hidden files and files left by
operating systems are skipped and reported.
"""

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from veilmart.errors import BadArgument, BadName, BadSourceFile, CannotDo
from veilmart.limits import SAMPLE_MAX_BYTES
from veilmart.merchant.goods.products import check_description, check_tags, check_title
from veilmart.merchant.goods.showcases import Look
from veilmart.merchant.sales.codes import read_codes
from veilmart.merchant.stocking.covers import encode_cover, read_bounded
from veilmart.merchant.stocking.packing import (
    Source,
    content_digest,
    files_in,
    look_at,
    said_of,
    sold_name,
)
from veilmart.protocol.accounting import parse_amount
from veilmart.protocol.typed_text import name_of_file
from veilmart.storage.files.names import shown_path

CATALOGUE_FILE = "shop.toml"
CODES_SUFFIX = ".codes"
_FILE_MAX_BYTES = 16 * 1024 * 1024
_KEYS = frozenset({"title", "description", "tags", "price", "cover", "sample"})


@dataclass(frozen=True)
class Entry:
    """One product of the folder. price: minor units. digest: SHA-256 of the file.

    codes: the lines of a .codes file, whose product is a text file named after it.
    """

    source: Source
    price: int
    tags: str
    look: Look
    digest: bytes
    codes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return self.source.title or self.source.file_name


def read_folder(
    folder: Path,
    usual_price: int,
    decimals: int,
    *,
    skip_bad: bool = False,
    tell: Callable[[str], None] = lambda _line: None,
) -> list[Entry]:
    """Everything in the folder, by name. Reads every file once.

    All files that cannot be sold are named at once; with skip_bad they are reported and skipped.
    Raises BadSourceFile, BadArgument (naming the product and what is wrong), BadAmount.
    """
    words = _read_words(folder)
    default = words.pop("price", None)
    price = usual_price if default is None else parse_amount(str(default), decimals)
    found: dict[str, Entry] = {}
    bad = []
    for path in files_in(folder, tell):
        name = name_of_file(path.name)
        if name == CATALOGUE_FILE:
            continue
        about = words.pop(name, {})
        try:
            entry = _entry(folder, path, about, price, decimals)
            if entry.source.file_name in found:
                raise BadName("Another file of the folder has the same name.")
        except CannotDo as error:
            bad.append(said_of(path, error))
            continue
        found[entry.source.file_name] = entry
    bad += [f"{CATALOGUE_FILE} names {name!r}, which is not there." for name in words]
    if bad and not skip_bad:
        raise BadSourceFile("\n".join(bad))
    for line in bad:
        tell(f"Left out: {line}")
    if not found:
        raise BadSourceFile(f"{folder} has no files that can be sold.")
    return list(found.values())


def _read_words(folder: Path) -> dict[str, object]:
    """What shop.toml says, its names of files in Normalization Form C."""
    path = folder / CATALOGUE_FILE
    if not path.exists():
        return {}
    try:
        text = read_bounded(path, _FILE_MAX_BYTES).decode("utf-8-sig")
        words = tomllib.loads(text.replace("\r\n", "\n"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise BadArgument(f"{CATALOGUE_FILE}: {fault}.") from fault
    formed = {name_of_file(name): about for name, about in words.items()}
    if len(formed) != len(words):
        raise BadArgument(f"{CATALOGUE_FILE} names a file twice, in two forms of its letters.")
    return formed


def _entry(folder: Path, path: Path, about: object, price: int, decimals: int) -> Entry:
    if not isinstance(about, dict) or not about.keys() <= _KEYS:
        raise BadArgument(f"{path.name} has other keys than {', '.join(sorted(_KEYS))}.")
    tags = about.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BadArgument(f"{CATALOGUE_FILE}: the tags of {path.name} are a list of texts.")
    is_codes = path.name.endswith(CODES_SUFFIX)
    name = path.name.removesuffix(CODES_SUFFIX) + ".txt" if is_codes else path.name
    sold_name(name)  # before its title, which is the name when none is given
    source = look_at(
        path,
        file_name=name,
        title=check_title(_text(about, "title", path.name.removesuffix(CODES_SUFFIX))),
        description=check_description(_text(about, "description", "")),
    )
    if "price" in about:
        price = parse_amount(str(about["price"]), decimals)
    return Entry(
        source=source,
        price=price,
        tags=check_tags(tags),
        look=_look(folder, about),
        digest=content_digest(source),
        codes=tuple(code_lines(path)) if is_codes else (),
    )


def code_lines(path: Path) -> list[str]:
    """The codes of a file. Raises BadSourceFile, BadArgument."""
    try:
        text = read_bounded(path, _FILE_MAX_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise BadSourceFile(f"{shown_path(path)} is not UTF-8 text.") from fault
    return read_codes(text.splitlines())


def _text(about: dict[str, object], key: str, default: str) -> str:
    value = about.get(key, default)
    if not isinstance(value, str):
        raise BadArgument(f"{CATALOGUE_FILE}: a {key} is a text.")
    return value


def _look(folder: Path, about: dict[str, object]) -> Look:
    cover, sample = _text(about, "cover", ""), _text(about, "sample", "")
    sample_path = folder / sample
    return Look(
        cover=encode_cover(folder / cover) if cover else b"",
        sample_name=sold_name(sample_path.name) if sample else "",
        sample=read_bounded(sample_path, SAMPLE_MAX_BYTES) if sample else b"",
    )
