"""`veilmart merchant shelf propose|apply` and `report`."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.errors import Declined
from veilmart.merchant.collecting import collect_unnamed
from veilmart.merchant.goods.shop_row import read_shop
from veilmart.merchant.home import open_merchant
from veilmart.merchant.stocking.anonymity_report import bar, chart_svg, shelf_reports
from veilmart.merchant.stocking.shelf_moves import Applied, apply_proposal, check_proposal, propose
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.disk_errors import typed_file_errors
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Console
from veilmart.terminal.numbers import ProductCount
from veilmart.terminal.tables import draw_table

DEFAULTS = Common()
K_USUAL = 5

Alone = Annotated[bool, Parameter(help="Accept a product alone on its shelf.")]


def home_of(common: Common) -> Path:
    return common.home or default_home("merchant")


@command
def propose_shelves(*, k: ProductCount = K_USUAL, common: Common = DEFAULTS) -> None:
    """Propose the split of all products into shelves with the least padding; change nothing."""
    _plan(k, False, False, True, common)


@command
def apply_shelves(
    *,
    k: ProductCount = K_USUAL,
    alone: Alone = False,
    yes: Annotated[bool, Parameter(help="Do not ask.")] = False,
    common: Common = DEFAULTS,
) -> None:
    """Move the products as proposed. Empty shelves are retired; sold orders are still delivered."""
    _plan(k, alone, yes, False, common)


def _plan(k: int, alone: bool, yes: bool, only_show: bool, common: Common) -> None:
    terminal = common.terminal()
    with open_merchant(home_of(common), common.database) as market:
        decimals = market.database.run_now(read_shop).decimals
        proposal = market.database.read_now(propose, k)
        rows = [
            {
                "price": format_amount(shelf.price, decimals),
                "size": shelf.size,
                "products": [item.key.title for item in shelf.items],
                "padding": shelf.padding,
                "short": shelf.short,
            }
            for shelf in proposal.shelves
        ]
        costs = {"content": proposal.content, "padding": proposal.then, "now": proposal.now}

        def draw(console: Console) -> None:
            lines: list[tuple[object, ...]] = [
                (
                    format_amount(shelf.price, decimals),
                    f"{shelf.size:,}",
                    f"{len(shelf.items)}{' (fewer than k)' if shelf.short else ''}",
                    f"{shelf.padding:,}",
                )
                for shelf in proposal.shelves
            ]
            draw_table(console, ("price", "bytes each", "products", "padding"), lines)
            share = proposal.then / proposal.content
            console.print(
                f"Padding in all: {proposal.then:,} bytes, {share:.1%} of the content; "
                f"now {proposal.now:,}."
            )

        if only_show:
            terminal.result({"shelves": rows, "costs": costs}, draw)
            return
        check_proposal(proposal, alone)
        if not terminal.json:
            draw(terminal.console)
        if not yes and not terminal.confirm("Move the products like this? (y/n) "):
            raise Declined("No product was moved.")
        for step in apply_proposal(market, proposal, os.urandom):
            if isinstance(step, Applied):
                applied = step
            else:
                terminal.say(f"{step.done}/{step.total} {step.file_name}")
    terminal.result(
        {"moved": applied.moved, "created": applied.created, "retired": applied.retired},
        lambda console: console.print(
            f"Moved {applied.moved} products; {applied.created} new shelves, "
            f"{len(applied.retired)} out of use."
        ),
    )


@command
def tidy(*, common: Common = DEFAULTS) -> None:
    """Remove packed products that nothing names any more; what was sold stays."""
    with open_merchant(home_of(common), common.database) as market:
        collected = collect_unnamed(market, unix_now())
    common.terminal().result(
        collected,
        lambda console: console.print(
            f"Removed {collected.removed} packed products that nothing names; "
            f"{collected.noted} more are removed when they are found so again in three days."
        ),
    )


@command
def report(
    *,
    svg: Annotated[Path | None, Parameter(help="Write the chart to this file.")] = None,
    common: Common = DEFAULTS,
) -> None:
    """Show how well each shelf hides purchases, and what its padding costs."""
    with open_merchant(home_of(common), common.database) as market:
        reports = market.database.read_now(shelf_reports)
    if svg is not None:
        with typed_file_errors(str(svg)):
            svg.write_text(chart_svg(reports), encoding="utf-8")
    largest = max((found.k for found in reports), default=1)

    def draw(console: Console) -> None:
        rows: list[tuple[object, ...]] = [
            (
                found.shelf,
                found.k,
                found.sales,
                f"{found.effective:.1f}",
                f"{found.guess:.0%}",
                f"{found.overhead:.1%}",
                bar(found, largest),
            )
            for found in reports
        ]
        heads = ("shelf", "k", "sales", "2^H", "guess", "overhead", "2^H of k")
        draw_table(console, heads, rows)

    common.terminal().result(reports, draw)
