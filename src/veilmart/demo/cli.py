"""`veilmart demo`: play the market and draw what each party knows."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from rich import box
from rich.console import Console
from rich.table import Table

from veilmart.demo.market import Story, run_market
from veilmart.errors import BadArgument
from veilmart.storage.files.names import shown_path, visible
from veilmart.terminal.command import Common, command
from veilmart.terminal.rich_console import rich_console
from veilmart.web.running import WebOptions

DEFAULTS = Common()
WEB_DEFAULTS = WebOptions()
ORDER_CHARACTERS = 8
WRONG = 1
WIDEST_CELLS = 1000


@command
async def demo(
    *,
    products: Annotated[
        Path | None, Parameter(help="Sell the files of this folder instead of the built-in goods.")
    ] = None,
    web: Annotated[
        bool, Parameter(help="One page, three columns, live: buy in the first.", negative="")
    ] = False,
    step: Annotated[
        bool, Parameter(help="With --web: every message waits for a key or button.", negative="")
    ] = False,
    attack: Annotated[
        Literal["mitm", "replay", "reflect", "swap-file"] | None,
        Parameter(help="With --web: play this attack on the way to the broker."),
    ] = None,
    keep: Annotated[
        Path | None, Parameter(help="Make this folder and leave everything in it, to look at.")
    ] = None,
    options: WebOptions = WEB_DEFAULTS,
    common: Common = DEFAULTS,
) -> int:
    """Run merchant, broker and two customers as processes, and show what each learned."""
    terminal = common.terminal()
    if web:
        if keep is not None:
            raise BadArgument("--keep goes without --web.")
        from veilmart.demo.web.running import run_live

        await run_live(products, terminal, options, step=step, attack=attack)
        return 0
    if step or attack is not None:
        raise BadArgument("--step and --attack go with --web.")
    story = await run_market(products, terminal.say, keep)
    if keep is not None:
        terminal.say(f"Everything that each party has lies in {shown_path(keep)}.")
    terminal.result(story, lambda _console: draw(story, rich_console(terminal)))
    return 0 if story.as_promised else WRONG


def draw(story: Story, console: Console) -> None:
    """Three columns, one row a purchase; then what was looked for and not found."""
    table = Table(box=box.ROUNDED, show_lines=True, title="One purchase a row: who knows what")
    table.add_column("the customer knows")
    table.add_column("the broker saw")
    table.add_column("the merchant saw")
    seen = {row.order: row for row in story.broker}
    sold = {row.order: row for row in story.merchant}
    for purchase in story.purchases:
        broker, merchant = seen[purchase.order], sold[purchase.order]
        same = "identical with the original" if purchase.identical else "NOT the original"
        short = purchase.order[:ORDER_CHARACTERS]
        table.add_row(
            f"{purchase.customer} bought\n{_quoted(purchase.title)}\nfor {purchase.price}\n"
            f"{same}\norder {short}",
            f"{broker.account} paid {broker.amount / 100:.2f}\nto {broker.merchant}: "
            f"{broker.state}\nfor a sealed product of that shelf\n"
            f"which one: {_one_of(merchant.k)}\norder {broker.order[:ORDER_CHARACTERS]}",
            f"somebody bought\n{_quoted(merchant.title)}\nfor {merchant.amount / 100:.2f}: "
            f"{merchant.state}\nwho: not known\norder {merchant.order[:ORDER_CHARACTERS]}",
        )
    width = console.measure(table, options=console.options.update(width=WIDEST_CELLS)).maximum
    console.print(table, width=width)
    for found in story.anonymous:
        console.print(
            f"Order {found.order[:ORDER_CHARACTERS]}, {_quoted(found.title)}, was paid with a "
            "token. "
            f"Broker and merchant together, from all they stored, know that the buyer is one of "
            f"{len(found.accounts)}: {', '.join(found.accounts)} ({found.tokens} tokens of "
            f"{found.price / 100:.2f} withdrawn under that key).",
            style="bold",
        )
    console.print("What the broker printed while it happened:", style="bold")
    for line in story.broker_lines:
        console.print(f"  {line}", markup=False)
    console.print("What the merchant printed:", style="bold")
    for line in story.merchant_lines:
        console.print(f"  {line}", markup=False)
    console.print(
        f"Looked through {story.broker_searched_bytes:,} bytes that the broker stored and printed "
        f"for any product's id, root, title or file name: {len(story.broker_found)} found."
    )
    console.print(
        f"Looked through {story.merchant_searched_bytes:,} bytes that the merchant stored and "
        f"printed for any customer's name: {len(story.merchant_found)} found."
    )
    verdict = "Everything as promised." if story.as_promised else "NOT as promised."
    console.print(f"{verdict} {story.seconds} seconds.", style="bold")


def _one_of(k: int) -> str:
    """How large the set is in which the broker cannot tell the product."""
    return f"not known, one of {k}" if k > 1 else "KNOWN, the shelf has no other"


def _quoted(title: str) -> str:
    """A stranger's text, harmless on a terminal."""
    return f"“{visible(title)}”"
