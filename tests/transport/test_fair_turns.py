"""Expensive work is shared between those who ask, not between their requests."""

import asyncio

import pytest

from veilmart.errors import ServerBusy
from veilmart.transport.fair_work import FairTurns, Turnstile, owner_of


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Queue:
    """Tasks that wait for a turn; `had` names them in the order of their turns."""

    def __init__(self, turns: FairTurns) -> None:
        self.turns = turns
        self.had: list[str] = []

    def ask(self, owner: str, name: str) -> "asyncio.Task[None]":
        async def wait() -> None:
            await self.turns.take(owner)
            self.had.append(name)

        return asyncio.create_task(wait())


async def test_owners_take_turns() -> None:
    queue = Queue(FairTurns(1, 100))
    tasks = [queue.ask("greedy", f"g{n}") for n in range(5)]
    await settle()
    tasks.append(queue.ask("modest", "m0"))
    await settle()
    for _ in tasks:
        queue.turns.give_back()
        await settle()
    assert queue.had == ["g0", "g1", "m0", "g2", "g3", "g4"]


async def test_the_longest_queue_loses_its_last_one() -> None:
    queue = Queue(FairTurns(1, 4))
    tasks = [queue.ask("greedy", f"g{n}") for n in range(5)]
    await settle()
    modest = queue.ask("modest", "m0")
    await settle()
    assert isinstance(tasks[4].exception(), ServerBusy)
    queue.turns.give_back()
    await settle()
    queue.turns.give_back()
    await settle()
    assert modest.done() and queue.had == ["g0", "g1", "m0"]
    for task in tasks[2:4]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_waits_most_is_told_that_the_server_is_busy() -> None:
    queue = Queue(FairTurns(1, 2))
    tasks = [queue.ask("greedy", f"g{n}") for n in range(3)]
    await settle()
    with pytest.raises(ServerBusy):
        await queue.turns.take("greedy")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_gives_up_leaves_the_queue() -> None:
    queue = Queue(FairTurns(1, 2))
    tasks = [queue.ask("one", f"o{n}") for n in range(3)]
    await settle()
    for task in tasks[1:]:
        task.cancel()
    await settle()
    queue.turns.give_back()
    await asyncio.wait_for(queue.turns.take("other"), 5)
    assert queue.had == ["o0"]


async def test_a_turn_that_came_to_somebody_who_gave_up_goes_to_the_next() -> None:
    queue = Queue(FairTurns(1, 4))
    tasks = [queue.ask("one", f"o{n}") for n in range(3)]
    await settle()
    queue.turns.give_back()  # to o1, which is cancelled before it runs
    tasks[1].cancel()
    await settle()
    assert queue.had == ["o0", "o2"]


@pytest.mark.parametrize("at_once", [1, 2, 3])
async def test_as_many_at_once_as_said(at_once: int) -> None:
    queue = Queue(FairTurns(at_once, 10))
    tasks = [queue.ask("one", f"o{n}") for n in range(5)]
    await settle()
    assert len(queue.had) == at_once
    for _ in tasks:
        queue.turns.give_back()
    await asyncio.wait_for(asyncio.gather(*tasks), 5)


async def test_dear_work_keeps_the_turnstile_shut_for_as_long_as_it_took() -> None:
    """Nobody else is let in, not even another owner; then everybody is."""
    turnstile = Turnstile()
    loop = asyncio.get_running_loop()
    ended: list[float] = []

    def work() -> None:
        until = loop.time() + 0.02
        while loop.time() < until:
            continue
        ended.append(loop.time())

    await asyncio.gather(*(turnstile.run(f"owner{n}", work) for n in range(3)))
    assert ended[1] - ended[0] >= 0.04
    assert ended[2] - ended[1] >= 0.04


@pytest.mark.parametrize(
    ("host", "owner"),
    [
        (None, ""),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("testclient", "testclient"),
        ("fe80::1%eth0", owner_of("fe80::2%eth0")),
        ("2001:db8:0:1::5", owner_of("2001:db8:0:1:ffff::9")),
    ],
    ids=["nobody", "IPv4", "mapped", "name", "link-local", "IPv6 network"],
)
def test_owner_of_an_address(host: str | None, owner: str) -> None:
    assert owner_of(host) == owner


def test_two_networks_are_two_owners() -> None:
    assert owner_of("2001:db8:0:1::5") != owner_of("2001:db8:0:2::5")
