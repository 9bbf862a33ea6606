"""`veilmart customer web|merchants`."""

from pathlib import Path
from typing import Annotated

import platformdirs
from cyclopts import Parameter

from veilmart.customer.cli.connect import visited
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.prompts import Person
from veilmart.customer.connection.directory import read_directory
from veilmart.customer.web.desk import Desk
from veilmart.customer.web.plan import customer_plan
from veilmart.storage.files.names import visible
from veilmart.terminal.command import Common, command, server_command
from veilmart.terminal.console import Console
from veilmart.web.running import WebOptions, run_face


@server_command
async def web(
    link: Annotated[
        str | None, Parameter(help="A veilmart:// link; its fingerprints are shown first.")
    ] = None,
    *,
    out: Annotated[
        Path | None, Parameter(help="Folder for finished files; default: Downloads.")
    ] = None,
    proxy: ProxyOption = None,
    options: WebOptions = WebOptions(),
    common: Common = Common(),
) -> None:
    """Shop in the browser. This machine serves the pages to one person."""
    with opened_wallet(common, proxy, fresh=True) as wallet:
        desk = Desk(wallet, (out or platformdirs.user_downloads_path()).absolute())
        await run_face(customer_plan(desk, link), wallet.home, common.terminal(), options)


@command
async def merchants(*, common: Common = Common()) -> None:
    """List the merchants that the broker carries: name, description, link."""
    person = Person(common.terminal())
    with opened_wallet(common) as wallet:
        async with visited(wallet, person, anonymous=True) as shopper:
            found = await read_directory(shopper)

    def draw(console: Console) -> None:
        for entry in found:
            about = f"  {visible(entry.about)}" if entry.about else ""
            console.print(f"{visible(entry.name)}{about}")
            console.print(f"  {entry.link}")
        if not found:
            console.print("The broker carries no merchant.")

    rows = [{"name": e.name, "about": e.about, "link": e.link} for e in found]
    person.terminal.result({"merchants": rows}, draw)
