"""`veilmart customer look`: all details of one product, its cover and its sample."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.customer.cli.account import Yes
from veilmart.customer.cli.connect import choose_merchant, visited
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.prompts import Person
from veilmart.customer.cli.shop import Merchant
from veilmart.customer.display.goods import Deal, deal_lines
from veilmart.customer.display.lists import MenuLine, find_product, menu_lines
from veilmart.errors import BadName
from veilmart.protocol.showcase import Picture
from veilmart.storage.files.names import check_file_name, shown_path, visible
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.command import Common, command
from veilmart.terminal.console import Console

_JPEG = b"\xff\xd8\xff"
_SHOWN_MAX_CHARACTERS = 2000
_NOTHING = Picture(product=bytes(16), cover=b"", sample_name="", sample=b"")


@command
async def look(
    product: Annotated[str, Parameter(help="Title, number of the menu, or id.")],
    *,
    merchant: Merchant = None,
    save: Annotated[
        Path | None, Parameter(help="Folder for cover and sample; without it text is shown.")
    ] = None,
    yes: Yes = False,
    common: Common = Common(),
) -> None:
    """Look at one product.

    Covers are fetched for a whole shelf, so nobody sees which one you look at.
    """
    person = Person(common.terminal(), yes)
    with opened_wallet(common) as wallet:
        async with visited(wallet, person, anonymous=True) as shopper:
            menu = await shopper.browse(await choose_merchant(shopper, person, merchant))
            found = find_product(menu, product)
            shown = await shopper.showcase(menu, found.shelf)
            decimals = shopper.broker.descriptor.decimals
    line = next(line for line in menu_lines(menu, decimals) if line.id == found.id.hex())
    picture = shown.get(found.id, _NOTHING)
    saved = [] if save is None else _save(save, line, picture)
    person.terminal.result(
        {"product": line, "cover": len(picture.cover), "sample": len(picture.sample)},
        lambda console: _draw(console, line, picture, saved),
    )


def _save(folder: Path, line: MenuLine, picture: Picture) -> list[Path]:
    """Save cover and sample as files; the merchant's file name only if it is a plain one."""
    files = []
    if picture.cover.startswith(_JPEG):
        files.append((f"cover-{line.id[:8]}.jpg", picture.cover))
    if picture.sample:
        files.append((_safe_name(picture.sample_name, f"sample-{line.id[:8]}"), picture.sample))
    saved = []
    for name, content in files:
        with PartialFile(folder, name, mode=0o666) as partial:
            partial.write(content)
            saved.append(partial.finish())
    return saved


def _safe_name(name: str, otherwise: str) -> str:
    try:
        return check_file_name(name)
    except BadName:
        return otherwise


def _draw(console: Console, line: MenuLine, picture: Picture, saved: list[Path]) -> None:
    def say(text: str) -> None:
        console.print(text)

    say(f"{line.title}  {line.price}{'' if line.available else '  (not available)'}")
    what = Deal(
        line.title,
        line.kind,
        line.file_name,
        line.size,
        line.download,
        line.merchant,
        line.deliver_within,
        line.settle_within,
    )
    for text in deal_lines(what)[1:]:
        say(text)
    if line.tags:
        say(f"Tags: {', '.join(line.tags)}")
    if line.description:
        say(line.description)
    for path in saved:
        say(f"Saved to {shown_path(path)}")
    if picture.cover and not saved:
        say(f"It has a cover of {len(picture.cover)} bytes; --save FOLDER writes it.")
    if picture.sample and not saved:
        _draw_sample(console, picture)


def _draw_sample(console: Console, picture: Picture) -> None:
    try:
        text = picture.sample.decode()
    except UnicodeDecodeError:
        name = visible(picture.sample_name)
        console.print(f"It has a sample, {name}; --save FOLDER writes it.")
        return
    console.print("Sample:")
    for row in text[:_SHOWN_MAX_CHARACTERS].splitlines():
        console.print(f"  {visible(row)}")
