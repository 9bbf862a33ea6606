"""A real broker and a real merchant whose shop has the project's own goods, with covers.

For tests of the faces and for the screenshots. `make_folder` writes what `merchant import` reads.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tests.support.made_once import made_once
from tests.support.real_market import RealMarket, opened_market, serving, succeed
from veilmart.demo.goods import recipes

ABOUT = "Useful files made from facts: tables, charts, calendars, sounds."
SIDE = 480
TAGS = {
    "reference": ["reference", "science"],
    "signs": ["reference", "signs"],
    "charts": ["charts", "music"],
    "sky": ["stars", "charts"],
    "calendar": ["calendar"],
    "mathematics": ["mathematics", "tables"],
    "sun": ["cities", "tables"],
    "sound": ["sound", "music"],
    "picture": ["poster", "mathematics"],
}
PRICES = ((16 * 1024, "1.00"), (256 * 1024, "2.00"), (1 << 40, "5.00"))


def make_folder(folder: Path) -> Path:
    """Goods, covers, one sample, and the shop.toml that names them."""
    (folder / "covers").mkdir(parents=True)
    lines = ['price = "5.00"', ""]
    for number, recipe in enumerate(recipes()):
        good, content = recipe.good, recipe.make()
        (folder / good.file_name).write_bytes(content)
        family = recipe.make.__module__.rsplit(".", 1)[1]
        cover = f"covers/{number}.png"
        draw_cover(good.title, number).save(folder / cover)
        price = next(price for most, price in PRICES if len(content) <= most)
        lines += [
            f'["{good.file_name}"]',
            f"title = {json.dumps(good.title)}",
            f"description = {json.dumps(good.description)}",
            f"tags = {json.dumps(TAGS.get(family, [family]))}",
            f'price = "{price}"',
            f'cover = "{cover}"',
        ]
        if good.file_name.endswith(".csv"):
            (folder / "samples").mkdir(exist_ok=True)
            sample = folder / "samples" / f"{good.file_name}.sample.txt"
            sample.write_bytes(b"\n".join(content.splitlines()[:12]))
            lines.append(f'sample = "samples/{sample.name}"')
        lines.append("")
    (folder / "shop.toml").write_text("\n".join(lines))
    return folder


def draw_cover(title: str, number: int) -> Image.Image:
    """A plain cover: the title on a colour of its own, with a few circles."""
    hue = number * 47 % 255
    picture = Image.new("HSV", (SIDE, SIDE * 3 // 4), (hue, 120, 110)).convert("RGB")
    draw = ImageDraw.Draw(picture)
    for ring in range(6):
        radius = 40 + ring * 46
        x, y = SIDE - 60, SIDE * 3 // 4 - 40
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(255, 255, 255))
    font, line, top = ImageFont.load_default(size=38), "", 30
    for word in [*title.split(), ""]:
        longer = f"{line} {word}".strip()
        if word and draw.textlength(longer, font=font) < SIDE - 60:
            line = longer
            continue
        draw.text((30, top), line, fill="white", font=font)
        line, top = word, top + 48
    return picture


@contextmanager
def seeded_market(home: Path) -> Iterator[RealMarket]:
    """All goods on sale on three shelves, at 1.00, 2.00 and 5.00."""
    with opened_market(home, made_once("seeded market", _stock), name="Almanac") as market:
        yield market


def _stock(home: Path) -> None:
    folder = make_folder(home / "goods")
    with serving(home, "broker") as broker:
        succeed(home, "merchant", "init", "--broker", broker, "--yes", "--name", "Almanac")
        succeed(home, "merchant", "import", str(folder), "--k", "3")


def customer_face(home: Path, *words: str) -> list[str]:
    """The command of a customer's face that serves until it is stopped."""
    where = ("--home", str(home / "customer"), "--out", str(home / "files"))
    return ["customer", "web", *words, *where, "--json", "--no-open"]
