"""Cases: a point that passed in a run without kills, and what happens when it is the last one."""

import asyncio
import time
import traceback
from collections import Counter
from dataclasses import dataclass

from tests.crash.market import Market
from tests.crash.matrix import STEPS, step_of
from tests.crash.scenarios import SCENARIOS as OF_ACCOUNTS, Scenario
from tests.crash.token_scenarios import TOKEN_SCENARIOS
from veilmart.errors import VeilmartError

SCENARIOS: dict[str, Scenario] = {**OF_ACCOUNTS, **TOKEN_SCENARIOS}  # type: ignore[dict-item]
DIALLED = ("dialled purchase",)
"""Scenarios in a market whose merchant dials."""
PROGRAMS = ("customer", "broker", "merchant", "operator", "office")
SERVERS = ("broker", "merchant")
DOOM_SECONDS = 60.0
QUIET_SECONDS = 1.5  # what the servers do by themselves afterwards is part of the scenario
OCCURRENCES_MAX = 2


@dataclass(frozen=True, order=True)
class Case:
    """Kill `party` when it passes `point` for the `occurrence`-th time."""

    scenario: str
    step: str
    party: str
    point: str
    occurrence: int

    def __str__(self) -> str:
        return f"{self.scenario}: {self.step}: {self.party} {self.point} #{self.occurrence}"


async def find_cases(market: Market, scenario: str) -> list[Case]:
    """Run the scenario once, without a kill; every point of it. Raises AssertionError."""
    played = SCENARIOS[scenario]
    subject = await played.prepare(market)
    await asyncio.sleep(QUIET_SECONDS)
    for name in PROGRAMS:
        market.programs.trace(name)
    await played.act(market, subject)
    await asyncio.sleep(QUIET_SECONDS)
    traced = {name: market.programs.traced(name) for name in PROGRAMS}
    for name in PROGRAMS:
        market.programs.spare(name)
    await played.finish(market, subject)
    await played.check(market, subject)
    cases = [case for name in PROGRAMS for case in _cases(scenario, name, traced[name])]
    _check_complete(scenario, cases)
    return cases


def _cases(scenario: str, party: str, traced: list[str]) -> list[Case]:
    found, counted = [], Counter[str]()
    for point in traced:
        counted[point] += 1
        name, _, _moment = point.rpartition("/")
        step = step_of(scenario, party, name, counted[point])
        if step is None:
            # A server also does what belongs to nobody's request; that is not this scenario's.
            assert party in SERVERS and point.startswith("/"), f"{party} {point} has no step"
        elif counted[point] <= OCCURRENCES_MAX:
            found.append(Case(scenario, step, party, point, counted[point]))
    return found


def _check_complete(scenario: str, cases: list[Case]) -> None:
    seen = {(case.step, case.party) for case in cases}
    wanted = {(step.name, party) for step in STEPS[scenario] for party in step.points}
    assert wanted <= seen, f"{scenario}: nothing passed at {sorted(wanted - seen)}"


@dataclass(frozen=True)
class Outcome:
    """problem: "" when the end was right. seconds: from the beginning to that end."""

    case: Case
    problem: str
    seconds: float


async def run_case(market: Market, case: Case) -> Outcome:
    """Kill, start again, let people do what they would do, look at the end."""
    began = time.monotonic()
    problem = ""
    try:
        await _run(market, case)
    except (AssertionError, TimeoutError, ValueError, VeilmartError) as fault:
        place = traceback.extract_tb(fault.__traceback__)[-1]
        problem = f"{type(fault).__name__} at {place.name}:{place.lineno}: {place.line}: {fault}"
    finally:
        market.programs.spare(case.party)
    return Outcome(case, problem, time.monotonic() - began)


async def _run(market: Market, case: Case) -> None:
    played = SCENARIOS[case.scenario]
    subject = await played.prepare(market)
    started = {name: len(market.server(name).restart_seconds) for name in SERVERS}
    market.programs.doom(case.party, case.point, case.occurrence)
    await played.act(market, subject)
    async with asyncio.timeout(DOOM_SECONDS):
        while not market.programs.was_killed(case.party):
            await asyncio.sleep(0.02)
    if case.party in SERVERS:
        await market.server(case.party).back(started[case.party] + 1)
    else:
        market.programs.spare(case.party)
    await played.finish(market, subject)
    await played.check(market, subject)
    await market.check_books()
    await market.check_merchant()
    for server in map(market.server, SERVERS):
        assert all(code == -9 for code in server.ends), f"{server.role} ended with {server.ends}"
