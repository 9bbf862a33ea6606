"""The whole market from a seed: a few runs here, thousands by `make sim`."""

import os
import subprocess
import sys

import pytest

from tests.simulator.run import Run
from tests.simulator.template import Template
from tests.simulator.totals import Totals
from veilmart.protocol.purchase_steps import PURCHASE_STEPS

SEEDS = 16
SEEDS_UNTIL_CUT = 64
"""Any change of a program plays other stories; most of them need far fewer seeds."""


def test_no_invariant_breaks(template: Template) -> None:
    totals = Totals()
    for seed in range(SEEDS):
        outcome = Run(template, seed).play()
        assert not outcome.broken, f"{outcome.story}\nSeed {seed}: {outcome.broken}"
        totals.add(outcome)
    assert totals.orders["settled"] > SEEDS
    assert totals.orders["refunded"] > 0
    assert set(totals.faults) >= {
        "dropped",
        "cut",
        "delayed",
        "duplicated",
        "corrupted",
        "line cut",
        "killed",
        "disk full",
        "stream cut",
    }


def test_streams_are_cut_at_each_named_step(template: Template) -> None:
    """`make sim` cuts thousands."""
    totals = Totals()
    for seed in range(SEEDS_UNTIL_CUT):
        outcome = Run(template, seed, streams=True, often_cut=0.04).play()
        assert not outcome.broken, f"{outcome.story}\nSeed {seed}: {outcome.broken}"
        totals.add(outcome)
        if totals.cuts.keys() >= set(PURCHASE_STEPS):
            break
    assert totals.cuts.keys() >= set(PURCHASE_STEPS)
    assert totals.orders["settled"] > 0


@pytest.mark.parametrize("seed", [5, 7], ids=["by POST", "over streams"])
def test_a_seed_plays_the_same_story_twice(template: Template, seed: int) -> None:
    streams = seed == 7
    first, second = (Run(template, seed, streams).play(keep_story=True) for _ in range(2))
    assert first.faults["killed"] and first.story.count("\n") > 80
    assert first.story == second.story


def test_a_seed_plays_the_same_story_in_another_process() -> None:
    told = []
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulator", "1", "--first", "5", "--story"],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        told.append(done.stdout.partition("\nruns ")[0])
    assert told[0].count("\n") > 80
    assert told[0] == told[1]
