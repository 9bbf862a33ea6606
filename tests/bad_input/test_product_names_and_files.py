"""Product names and source files that are not what they should be.

Names with `..`, NUL, absolute paths, control and right-to-left characters, 255 bytes and more: at
the merchant's `add`, and in a hostile merchant's catalogue and goods at the customer. Empty files,
symbolic links, a source file that changed after or during `add`.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from tests.support.bad_names import BAD_NAMES
from tests.support.roles import (
    CREDIT,
    GOODS,
    PRICE,
    Clock,
    Roles,
    Template,
    make_template,
    product_of,
    running_roles,
    told,
)
from veilmart.customer.wallet.orders import all_orders
from veilmart.errors import MalformedMessage, PaddingInvalid
from veilmart.merchant.cli.root import app
from veilmart.merchant.goods.products import load_products
from veilmart.merchant.home import open_merchant
from veilmart.merchant.stocking import packing
from veilmart.merchant.stocking.adding import add_now
from veilmart.merchant.stocking.packing import Source
from veilmart.storage.files.names import check_file_name

pytestmark = pytest.mark.asyncio(loop_scope="module")
CONTENT = b"What is in a name?\n"
LONG = {name for name, value in BAD_NAMES.items() if len(value.encode()) > 200}


@pytest.fixture
def home(template: Template, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template.merchant, tmp_path / "merchant"))


def refused_add(home: Path, capfd: pytest.CaptureFixture[str], *arguments: str, code: int) -> None:
    """`veilmart merchant add` refuses: exit code 2 and the error's sentences."""
    words = ["add", *arguments, "--price", "5.00", "--alone", "--home", str(home), "--json"]
    assert app(words, result_action="return_value") == 2
    captured = capfd.readouterr()
    said = msgspec.json.decode(captured.out)["error"]
    assert said["code"] == code and said["hint"] and said["money"] == ""
    assert "Traceback" not in captured.out + captured.err


def check_shop(home: Path) -> None:
    """What was on sale before is on sale, and nothing half written lies about."""
    with open_merchant(home) as market:
        standing = market.database.run_now(load_products)
    assert {product.file_name for product in standing} == set(GOODS)
    assert not list(home.rglob("*.part*")) and not list(home.rglob("stdin-*"))


async def test_product_names_at_the_merchants_add(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    content = tmp_path / "content"
    content.write_bytes(CONTENT)
    for title in ("parent", "climbing", "nul", "absolute", "escape", "bidi", "256_bytes"):
        refused_add(home, capfd, str(content), f"--file-name={BAD_NAMES[title]}", code=1105)
    check_shop(home)


async def test_empty_file(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty.txt").touch()
    refused_add(home, capfd, str(tmp_path / "empty.txt"), code=1107)
    check_shop(home)


async def test_symbolic_link(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """To a file, to nothing, and one that lies in a folder whose other files are fine."""
    goods = tmp_path / "goods"
    goods.mkdir()
    (goods / "fine.txt").write_bytes(CONTENT)
    (goods / "link.txt").symlink_to(tmp_path / "merchant" / "identity.pem")
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "nowhere")
    refused_add(home, capfd, str(goods / "link.txt"), code=1107)
    refused_add(home, capfd, str(tmp_path / "dangling.txt"), code=1107)
    refused_add(home, capfd, str(goods), code=1107)
    check_shop(home)


async def test_source_file_changed_during_add(
    home: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = tmp_path / "growing.txt"
    source.write_bytes(CONTENT)
    honest = os.read

    def read(descriptor: int, length: int) -> bytes:
        with source.open("ab") as stream:
            stream.write(b"more")
        return honest(descriptor, length)

    monkeypatch.setattr("veilmart.merchant.stocking.packing.os.read", read)
    refused_add(home, capfd, str(source), code=1121)
    check_shop(home)


async def test_source_file_changed_after_add(shared: Roles, tmp_path: Path) -> None:
    """What was added is sold: the goods' folder of the template may change or go."""
    goods = shared.folder / "goods"
    goods.mkdir()
    source = goods / "june.txt"
    source.write_bytes(GOODS["june.txt"])
    with open_merchant(shared.merchant_home) as market:
        # The same name on the same shelf: a new version of the product.
        (looked,) = packing.sources_in(goods)
        add_now(market, (looked,), price=PRICE, now=shared.clock(), random=os.urandom)
    source.write_bytes(b"Something else altogether.\n")
    shopper = await shared.customer("reader")
    async with asyncio.timeout(120):
        menu = await shopper.browse(shared.merchant_print)
        while product_of(menu, "june.txt").version == 1:
            await asyncio.sleep(0.05)
            menu = await shopper.browse(shared.merchant_print)
    bought = await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path / "one")
    source.unlink()
    again = await shopper.buy(menu, product_of(menu, "june.txt"), tmp_path / "two")
    assert bought.path.read_bytes() == again.path.read_bytes() == GOODS["june.txt"]
    await shared.check_books()


# ---- a hostile merchant ------------------------------------------------------------------------


def unchecked_prefix(random32: bytes, name: str, content_bytes: int) -> bytes:
    """`pack_product` without its checks."""
    encoded = name.encode()
    lengths = content_bytes.to_bytes(8, "little") + len(encoded).to_bytes(2, "little")
    return random32 + lengths + encoded


def add_unchecked(home: Path, folder: Path, names: dict[str, str], *, in_goods: bool) -> None:
    """Put products with these names on sale: inside the goods too, or in the catalogue alone."""
    with pytest.MonkeyPatch.context() as patch, open_merchant(home) as market:

        def prefix(random32: bytes, name: str, content_bytes: int) -> bytes:
            return unchecked_prefix(random32, name if in_goods else "plain.txt", content_bytes)

        patch.setattr(packing, "pack_product", prefix)
        sources = []
        for title, name in names.items():
            (folder / title).write_bytes(CONTENT)
            sources.append(Source(folder / title, name, title, None, len(CONTENT)))
        add_now(market, tuple(sources), price=PRICE, now=Clock()(), random=os.urandom)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hostile(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[dict[str, Roles]]:
    """Two hostile markets: names in the goods, names in the catalogue alone."""
    short = {title: name for title, name in BAD_NAMES.items() if title not in LONG}
    found: dict[str, Roles] = {}
    folder = tmp_path_factory.mktemp("hostile")
    made = make_template(folder, Clock())
    async with AsyncExitStack() as stack:
        for where in ("goods", "catalogue"):
            place = tmp_path_factory.mktemp(where)
            merchant = Path(shutil.copytree(made.merchant, place / "source"))
            add_unchecked(merchant, place, short, in_goods=where == "goods")
            template = Template(made.broker, merchant, made.merchant_print)
            home = tmp_path_factory.mktemp("market")
            found[where] = await stack.enter_async_context(running_roles(template, home))
        yield found


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.parametrize("where", ["goods", "catalogue"])
async def test_product_names_in_a_hostile_catalogue(
    hostile: dict[str, Roles], tmp_path: Path, where: str
) -> None:
    """The file has a plain name in the folder that was asked for, or there is a typed error."""
    roles = hostile[where]
    shopper = await roles.customer("buyer")
    menu = await shopper.browse(roles.merchant_print)
    titles = [title for title in BAD_NAMES if title not in LONG]
    refused = 0
    for title in titles:
        out = tmp_path / title / "a" / "b" / "out"
        out.mkdir(parents=True)
        product = next(product for product in menu.products if product.title == title)
        try:
            bought = await shopper.buy(menu, product, out)
        except PaddingInvalid as error:
            refused += 1
            told(error, code=2108, money=PaddingInvalid.money)
            assert not files_below(tmp_path / title), "nothing half written"
            continue
        assert files_below(tmp_path / title) == {bought.path}
        assert bought.path.parent == out
        assert check_file_name(bought.path.name) == bought.path.name
        assert bought.path.read_bytes() == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == set(titles), "nothing climbed out"
    orders = await shopper.wallet.database.run(all_orders)
    states = [order.state for order in orders]
    assert sorted(states) == ["done"] * (len(titles) - refused) + ["released"] * refused
    assert bool(refused) == (where == "goods")
    assert await roles.balance("buyer") == CREDIT - PRICE * len(titles)
    await roles.check_books()


@pytest.mark.parametrize("title", sorted(LONG))
async def test_product_name_of_255_bytes_and_more_in_a_hostile_catalogue(
    template: Template, tmp_path: Path, title: str
) -> None:
    merchant = Path(shutil.copytree(template.merchant, tmp_path / "source"))
    add_unchecked(merchant, tmp_path, {"long": BAD_NAMES[title]}, in_goods=True)
    made = Template(template.broker, merchant, template.merchant_print)
    async with running_roles(made, tmp_path / "market") as roles:
        shopper = await roles.customer("buyer")
        with pytest.raises((MalformedMessage, PaddingInvalid)) as refused:
            menu: Any = await shopper.browse(roles.merchant_print)
            product = next(product for product in menu.products if product.title == "long")
            await shopper.buy(menu, product, tmp_path / "out")
        assert refused.value.explain()
        assert not (tmp_path / "out").exists() or not files_below(tmp_path / "out")
        await roles.check_books()
