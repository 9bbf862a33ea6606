"""`veilmart customer solvency`: what the broker says about all tokens, checked."""

from veilmart.customer.cli.connect import visited
from veilmart.customer.cli.network import ProxyOption
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.prompts import Person
from veilmart.customer.tokens.solvency import KeyLine, Solvency, read_solvency
from veilmart.protocol import moments
from veilmart.protocol.accounting import format_amount
from veilmart.terminal.command import Common, command
from veilmart.terminal.console import Console
from veilmart.terminal.tables import draw_table

_HEADS = ("price", "epoch", "withdrawn", "reissued", "redeemed", "returned", "expired", "open", "")
WRONG = 1


@command
async def solvency(*, proxy: ProxyOption = None, common: Common = Common()) -> int:
    """Check that the broker accounts for every token: each is spent, returned or still open."""
    person = Person(common.terminal())
    with opened_wallet(common, proxy) as wallet:
        async with visited(wallet, person, anonymous=True, mention=False) as shopper:
            found = await shopper.perform(read_solvency())
            decimals = shopper.broker.descriptor.decimals

    def line(key: KeyLine) -> dict[str, object]:
        fields = {name: getattr(key, name) for name in key.__struct_fields__}
        price = format_amount(key.price, decimals)
        return fields | {"id": key.id.hex(), "price": price, "holds": key.holds}

    lines = [line(key) for key in found.keys]
    missing = [key.hex() for key in found.missing]
    result = {"at": found.at, "holds": found.holds, "keys": lines, "missing": missing}
    person.terminal.result(result, lambda console: _draw(console, found, decimals))
    return 0 if found.holds else WRONG


def _draw(console: Console, found: Solvency, decimals: int) -> None:
    rows: list[tuple[object, ...]] = [
        (
            format_amount(key.price, decimals),
            key.epoch,
            key.withdrawn,
            key.reissued,
            key.redeemed,
            key.returned,
            key.expired,
            key.outstanding,
            "" if key.holds else "DOES NOT ADD UP",
        )
        for key in found.keys
    ]
    draw_table(console, _HEADS, rows)
    for key in found.missing:
        console.print(f"The broker's list lacks the key {key.hex()}.")
    worth = sum(key.price * key.outstanding for key in found.keys)
    counted = moments.moment(found.at)
    verdict = "Every token is accounted for" if found.holds else "The tokens DO NOT add up"
    console.print(
        f"{verdict}; {format_amount(worth, decimals)} are open. Counted {counted:%Y-%m-%d %H:%M} "
        "UTC."
    )
