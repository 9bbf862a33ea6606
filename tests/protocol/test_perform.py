"""Both drivers of rules behave alike."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import Connection

from veilmart.broker.effects import Forward
from veilmart.errors import InsufficientBalance, Misuse
from veilmart.protocol.effects import Effect, Rule, Transact, transact
from veilmart.protocol.link_messages import FetchDescriptor, LinkDescriptor
from veilmart.protocol.perform import perform, perform_now

CONNECTION: Any = object()  # only passed on


@dataclass(frozen=True, slots=True)
class Ask(Effect[tuple[str, object]]):
    request: object


@dataclass(frozen=True, slots=True)
class Unknown(Effect[None]):
    pass


def add(_connection: Connection, left: int, right: int) -> int:
    return left + right


def refuse(_connection: Connection) -> None:
    raise InsufficientBalance("5 short")


def run_now(rule):
    return perform_now(
        rule,
        {Transact: lambda e: e.function(CONNECTION, *e.args), Ask: lambda e: ("asked", e.request)},
    )


def run_async(rule):
    async def transact(effect: Transact):
        await asyncio.sleep(0)
        return effect.function(CONNECTION, *effect.args)

    async def ask(effect: Ask):
        return ("asked", effect.request)

    return asyncio.run(perform(rule, {Transact: transact, Ask: ask}))


@pytest.fixture(params=[run_now, run_async])
def run(request: pytest.FixtureRequest):
    return request.param


def test_answers_reach_the_rule(run) -> None:
    def rule() -> Rule[tuple]:
        total = yield from transact(add, 1, right=2)
        return (yield from Ask(total))

    assert run(rule()) == ("asked", 3)


def test_a_rule_without_effects(run) -> None:
    def rule() -> Rule[int]:
        return 5
        yield

    assert run(rule()) == 5


def test_failures_are_raised_inside_the_rule(run) -> None:
    def rule() -> Rule[tuple]:  # type: ignore[return]
        try:
            yield from transact(refuse)
        except InsufficientBalance as error:
            return (yield from Ask(error.detail))

    assert run(rule()) == ("asked", "5 short")


def test_uncaught_failures_propagate_and_close_the_rule(run) -> None:
    closed = []

    def rule() -> Rule[None]:
        try:
            yield from transact(refuse)
        finally:
            closed.append(True)

    with pytest.raises(InsufficientBalance):
        run(rule())
    assert closed == [True]


@pytest.mark.parametrize(
    "effect", [Unknown(), Forward(bytes(32), FetchDescriptor(serial=0), LinkDescriptor)]
)
def test_an_effect_nobody_performs_is_misuse(run, effect: Effect) -> None:
    def rule() -> Rule[None]:
        yield from effect

    with pytest.raises(Misuse):
        run(rule())


async def test_cancelling_closes_the_rule() -> None:
    closed = []

    def rule() -> Rule[None]:
        try:
            yield from Ask(None)
        finally:
            closed.append(True)

    async def never(_effect: Effect) -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(perform(rule(), {Ask: never}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [True]
