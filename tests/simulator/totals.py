"""Figures over many runs."""

import time
from collections import Counter
from dataclasses import dataclass, field

from tests.simulator.run import Outcome


@dataclass
class Totals:
    """orders: what became of every order that the broker knew in the end."""

    runs: int = 0
    orders: Counter[str] = field(default_factory=Counter)
    tokens: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    cuts: Counter[str] = field(default_factory=Counter)
    exchanges: int = 0
    checks: int = 0
    cpu_seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)

    def add(self, outcome: Outcome) -> None:
        self.runs += 1
        self.orders += outcome.states
        self.tokens += outcome.tokens
        self.faults += outcome.faults
        self.cuts += outcome.cuts
        self.exchanges += outcome.exchanges
        self.checks += outcome.checks
        self.cpu_seconds += outcome.cpu_seconds

    @property
    def purchases(self) -> int:
        """Those that were paid, whether delivered or refunded."""
        return self.orders["settled"] + self.orders["refunded"]

    @property
    def cpu_ms_per_purchase(self) -> float:
        return 1000 * self.cpu_seconds / max(1, self.purchases)

    def line(self, runs: int) -> str:
        """Progress."""
        return f"{self.runs} of {runs} runs, {self.purchases} purchases, no invariant broken"

    def text(self) -> str:
        """Everything, for people."""
        lines = {
            "runs": f"{self.runs} in {time.monotonic() - self.began:.0f} s",
            "purchases": f"{self.purchases} (orders: {_listed(self.orders)})",
            "tokens": _listed(self.tokens),
            "exchanges": str(self.exchanges),
            "faults": f"{self.faults.total()} ({_listed(self.faults)})",
            "streams cut": f"{self.cuts.total()} ({_listed(self.cuts)})",
            "books looked at": str(self.checks),
            "CPU per purchase": f"{self.cpu_ms_per_purchase:.1f} ms",
        }
        return "\n".join(f"{name:<18}{value}" for name, value in lines.items())


def _listed(counted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counted.most_common())
