"""One purchase with the real roles: how many exchanges and durable commits it takes."""

from pathlib import Path

from bench.counts import REACH, count_purchases


async def test_a_purchase_takes_five_and_four_exchanges_and_four_three_four_commits(
    tmp_path: Path,
) -> None:
    costs = await count_purchases(tmp_path, purchases=3)
    # The broker's sweep, every 5 s, may add a commit of its own to one of them.
    least = {name: min(cost[name] for cost in costs) for name in REACH}
    assert least == {
        "customer-broker exchanges": 5,
        "broker-merchant exchanges": 4,
        "broker commits": 4,
        "merchant commits": 3,
        "customer commits": 4,
    }
    assert all(cost[name] <= most + 1 for cost in costs for name, most in REACH.items())
