"""What is going on when a process is killed, what people do about it, and what must hold then.

Each scenario: `prepare` once, `act` with a doomed program, `finish` as a person would who found
that something had been interrupted, `check`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, update

from tests.crash.market import CREDIT, LARGE, PRICES, SMALL, Market
from veilmart.broker.operator.bookkeeping import credit
from veilmart.broker.schema import tables
from veilmart.protocol.order_key import operation_id
from veilmart.terminal.clock import unix_now

TRIES = 12
PAUSE_SECONDS = 0.4
REPORTED_SECONDS = 1.5
VALUE = 7_00


class Scenario(Protocol):
    async def prepare(self, market: Market) -> Any: ...
    async def act(self, market: Market, subject: Any) -> None: ...
    async def finish(self, market: Market, subject: Any) -> None: ...
    async def check(self, market: Market, subject: Any) -> None: ...


async def until_done(command: Callable[[], Awaitable[int]], market: Market, name: str) -> None:
    """Run a command again until it succeeds: a server may only just have come back."""
    for _ in range(TRIES):
        if await command() == 0:
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError(f"It never succeeds: {market.programs.said(name)}")


async def sync(market: Market, name: str) -> None:
    """`customer sync` until nothing is unfinished."""
    await until_done(lambda: market.customer_runs(name, "sync", "--now"), market, "customer")


class Purchase:
    """`customer buy`; afterwards `sync`, and bought anew only if nothing was paid."""

    def __init__(self, product: str) -> None:
        self._product = product

    async def prepare(self, market: Market) -> str:
        return await market.customer()

    async def act(self, market: Market, name: str) -> None:
        await market.buy(name, self._product)

    async def finish(self, market: Market, name: str) -> None:
        await sync(market, name)
        if not any(order.state == "done" for order in market.orders(name)):
            await until_done(lambda: market.buy(name, self._product), market, "customer")

    async def check(self, market: Market, name: str) -> None:
        await market.check_customer(name)
        assert await market.balance(name) == CREDIT - PRICES[self._product]


async def interrupted(market: Market, point: str) -> str:
    """A customer whose program was killed at `point` of a purchase."""
    name = await market.customer()
    await killed_at(market, point, market.buy(name, SMALL))
    return name


async def killed_at(market: Market, point: str, command: Awaitable[int]) -> None:
    """A customer's command is killed at `point`."""
    market.programs.doom("customer", point, 1)
    await command
    assert market.programs.was_killed("customer"), market.programs.said("customer")
    market.programs.spare("customer")


async def about_order(market: Market, name: str, word: str) -> int:
    """`customer WORD` about this customer's only order."""
    (order,) = market.orders(name)
    return await market.customer_runs(name, word, order.order.hex(), "--yes")


class Cancellation:
    """A HELD order is given up; given up again if that was interrupted."""

    async def prepare(self, market: Market) -> str:
        return await interrupted(market, "/>Release/unsent")

    async def act(self, market: Market, name: str) -> None:
        await about_order(market, name, "cancel")

    async def finish(self, market: Market, name: str) -> None:
        (order,) = market.orders(name)
        if order.state == "held":
            await until_done(lambda: about_order(market, name, "cancel"), market, "customer")

    async def check(self, market: Market, name: str) -> None:
        await market.check_customer(name)
        assert [order.state for order in market.orders(name)] == ["refunded"]
        assert await market.balance(name) == CREDIT


def _pass_deadline(conn: Connection, order: bytes) -> None:
    """As if the invoice's time had run out: its key was released so much earlier."""
    i, o = tables.invoices, tables.operations
    due = conn.execute(i.select().where(i.c.order == order)).one().due
    earlier = due - (unix_now() - 1)
    conn.execute(update(i).where(i.c.order == order).values(due=i.c.due - earlier))
    released = operation_id(order, "release")
    conn.execute(update(o).where(o.c.id == released).values(at=o.c.at - earlier))


class Deadline:
    """Time runs out while the customer's machine is off; then it is switched on again."""

    def __init__(self, point: str, outcome: str, broker: str) -> None:
        self._point, self._outcome, self._broker = point, outcome, broker

    async def prepare(self, market: Market) -> str:
        return await interrupted(market, self._point)

    async def act(self, market: Market, name: str) -> None:
        (order,) = market.orders(name)
        await market.opened.database.run(_pass_deadline, order.order)
        await self._swept(market, order.order)
        await market.customer_runs(name, "sync", "--now")

    async def _swept(self, market: Market, order: bytes) -> None:
        async with asyncio.timeout(20):
            while await market.opened.database.run(_state, order) != self._broker:
                await asyncio.sleep(0.03)

    async def finish(self, market: Market, name: str) -> None:
        await sync(market, name)

    async def check(self, market: Market, name: str) -> None:
        await market.check_customer(name)
        assert [order.state for order in market.orders(name)] == [self._outcome]


def _state(conn: Connection, order: bytes) -> str:
    query = tables.invoices.select().where(tables.invoices.c.order == order)
    return str(conn.execute(query).one().state)


# ---- refunds and disputes ------------------------------------------------------------------------


class MerchantRefund:
    """The merchant gives the money of a settled order back; again until the command succeeds."""

    async def prepare(self, market: Market) -> tuple[str, list[int]]:
        """The customer, and a place for exit codes."""
        name = await market.customer()
        await until_done(lambda: market.buy(name, SMALL), market, "customer")
        await market.check_merchant()
        return name, []

    async def act(self, market: Market, subject: tuple[str, list[int]]) -> None:
        name, codes = subject
        codes.append(await self._refund(market, name))
        await market.customer_runs(name, "sync", "--now")

    async def _refund(self, market: Market, name: str) -> int:
        (order,) = market.orders(name)
        return await market.office_runs("refund", order.order.hex(), "--yes")

    async def finish(self, market: Market, subject: tuple[str, list[int]]) -> None:
        name, codes = subject
        if codes[-1]:
            await until_done(lambda: self._refund(market, name), market, "office")
        await sync(market, name)

    async def check(self, market: Market, subject: tuple[str, list[int]]) -> None:
        name, _codes = subject
        (order,) = market.orders(name)
        assert order.state == "refunded"
        assert await market.balance(name) == CREDIT
        assert [file.name for file in market.out(name).iterdir()] == [SMALL], "the file stays"


class Dispute:
    """The merchant delivered something else; the evidence is sent until the money is back."""

    async def prepare(self, market: Market) -> str:
        name = await market.customer()
        flag = market.folder / "merchant.cheat"
        flag.touch()
        try:
            assert await market.buy(name, SMALL) != 0
        finally:
            flag.unlink()
        return name

    async def act(self, market: Market, name: str) -> None:
        await about_order(market, name, "dispute")

    async def finish(self, market: Market, name: str) -> None:
        """Once the broker has decided, the command says that `sync` notes it down."""
        for _ in range(TRIES):
            if market.orders(name)[0].state == "refunded":
                return
            if await about_order(market, name, "dispute") != 0:
                await market.customer_runs(name, "sync", "--now")
                await asyncio.sleep(PAUSE_SECONDS)

    async def check(self, market: Market, name: str) -> None:
        await market.check_customer(name)
        assert [order.state for order in market.orders(name)] == ["refunded"]
        assert await market.balance(name) == CREDIT


# ---- vouchers ------------------------------------------------------------------------------------


async def listed(market: Market, *words: str) -> Any:
    """What an operator's command shows, as JSON."""
    assert await market.operator_runs(*words, "--json") == 0, market.programs.said("operator")
    return msgspec.json.decode(market.programs.said("operator"))


async def issue(market: Market) -> tuple[int, str]:
    """A batch of one voucher: its number and its code."""
    issued = await listed(market, "voucher", "issue", "--value", "7.00")
    market.paid_in += VALUE
    return issued["batch"], issued["codes"][0]


class VoucherIssue:
    """Codes that nobody has seen are taken back, and others issued."""

    async def prepare(self, market: Market) -> set[int]:
        return {line["batch"] for line in await listed(market, "voucher", "list")}

    async def act(self, market: Market, known: set[int]) -> None:
        await market.operator_runs("voucher", "issue", "--value", "7.00", "--json")

    async def finish(self, market: Market, known: set[int]) -> None:
        said = market.programs.said("operator")
        shown = msgspec.json.decode(said)["batch"] if said else 0
        fresh = {line["batch"] for line in await listed(market, "voucher", "list")} - known
        market.paid_in += VALUE * len(fresh)
        for batch in fresh - {shown}:
            assert await market.operator_runs("voucher", "void", "--batch", str(batch)) == 0
            market.paid_in -= VALUE
        if not shown:
            await issue(market)

    async def check(self, market: Market, known: set[int]) -> None:
        lines = await listed(market, "voucher", "list")
        assert sum(line["left"] for line in lines if line["batch"] not in known) == 1


class VoucherRedeem:
    """Redeemed again until it succeeds: the value comes once."""

    async def prepare(self, market: Market) -> tuple[str, Path]:
        name = await market.customer(0)
        _batch, code = await issue(market)
        file = market.folder / f"{name}.code"
        file.write_text(code)
        return name, file

    async def act(self, market: Market, subject: tuple[str, Path]) -> None:
        await self._redeem(market, subject)

    async def _redeem(self, market: Market, subject: tuple[str, Path]) -> int:
        return await market.customer_runs(subject[0], "redeem", "--code-file", str(subject[1]))

    async def finish(self, market: Market, subject: tuple[str, Path]) -> None:
        await until_done(lambda: self._redeem(market, subject), market, "customer")

    async def check(self, market: Market, subject: tuple[str, Path]) -> None:
        assert await market.balance(subject[0]) == VALUE


class VoucherVoid:
    """Taken back again if it is still there."""

    async def prepare(self, market: Market) -> int:
        return (await issue(market))[0]

    async def act(self, market: Market, batch: int) -> None:
        await market.operator_runs("voucher", "void", "--batch", str(batch))

    async def finish(self, market: Market, batch: int) -> None:
        if (await self._line(market, batch))["left"]:
            assert await market.operator_runs("voucher", "void", "--batch", str(batch)) == 0
        market.paid_in -= VALUE

    async def check(self, market: Market, batch: int) -> None:
        line = await self._line(market, batch)
        assert (line["left"], line["void"]) == (0, 1)

    async def _line(self, market: Market, batch: int) -> Any:
        lines = await listed(market, "voucher", "list")
        return next(line for line in lines if line["batch"] == batch)


# ---- a merchant's money --------------------------------------------------------------------------


async def asked(market: Market) -> list[Any]:
    """Withdrawals that wait for the operator."""
    return [line for line in await listed(market, "withdrawals") if line["state"] == "asked"]


class Withdrawal:
    """Asked for again until the command succeeds: the operator sees it once."""

    async def prepare(self, market: Market) -> list[int]:
        """Exit codes of the command are to be kept there."""
        await market.opened.database.run(credit, "stall", VALUE, True, unix_now())
        market.paid_in += VALUE
        return []

    async def act(self, market: Market, codes: list[int]) -> None:
        codes.append(await self._ask(market))

    async def _ask(self, market: Market) -> int:
        return await market.office_runs("withdraw-request", "7.00")

    async def finish(self, market: Market, codes: list[int]) -> None:
        if codes[-1]:
            await until_done(lambda: self._ask(market), market, "office")

    async def check(self, market: Market, codes: list[int]) -> None:
        (line,) = await asked(market)
        assert line["amount"] == "7.00"
        assert await market.operator_runs("payout", "stall", "7.00") == 0
        market.paid_in -= VALUE


class Payout:
    """The operator looks whether the request is answered before paying again."""

    async def prepare(self, market: Market) -> None:
        await Withdrawal().prepare(market)
        assert await market.office_runs("withdraw-request", "7.00") == 0
        # The merchant has heard of its balance, so that the payout changes it once more.
        await asyncio.sleep(REPORTED_SECONDS)

    async def act(self, market: Market, subject: None) -> None:
        await market.operator_runs("payout", "stall", "7.00")

    async def finish(self, market: Market, subject: None) -> None:
        if await asked(market):
            assert await market.operator_runs("payout", "stall", "7.00") == 0
        market.paid_in -= VALUE

    async def check(self, market: Market, subject: None) -> None:
        assert await asked(market) == []


SCENARIOS: dict[str, Scenario] = {
    "purchase": Purchase(SMALL),
    "large purchase": Purchase(LARGE),
    "dialled purchase": Purchase(SMALL),
    "cancellation": Cancellation(),
    "refund by time": Deadline("/>Release/unsent", "refunded", "refunded"),
    "settlement by time": Deadline("/file/unsaved", "done", "settled"),
    "merchant refund": MerchantRefund(),
    "dispute": Dispute(),
    "voucher issue": VoucherIssue(),
    "voucher redeem": VoucherRedeem(),
    "voucher void": VoucherVoid(),
    "withdrawal": Withdrawal(),
    "payout": Payout(),
}
