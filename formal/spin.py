"""Run the Promela model of a purchase through SPIN and name what it found."""

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from formal.promela import TABLES, Table, promela
from formal.verdict import Line, Verdict
from veilmart.protocol.invoice_states import INVOICE, InvoiceEffect, InvoiceEvent, InvoiceState
from veilmart.protocol.order_states import ORDER, OrderEvent, OrderState
from veilmart.protocol.wallet_states import WALLET, WalletEvent, WalletState

MODEL = Path(__file__).parent / "spin" / "purchase.pml"
SECONDS_MAX = 300
MEMORY_MAX_MIB = 4096
DEPTH_MAX = 10_000
WAITING = 0
NO_WAITING_NAME = "no_waiting_for_ever"
NO_WAITING = "no run goes in circles, and none stops where somebody still waits"
# Faults in one run. A run without end cannot use any of them up, so few are enough for cycles.
BOUNDS = {"LOSSES": 2, "DUPLICATES": 1, "CRASHES": 1}
SMALL_BOUNDS = {"LOSSES": 1, "DUPLICATES": 1, "CRASHES": 0}

_CLAIM = re.compile(r"/\*@ claim (\d+) (\w+): (.*?) \*/")
_VIOLATED = re.compile(r"assertion violated .*\|\|\((\d+)==0\)\)")
_WAITING = re.compile(r"^pan:\d+: (?:invalid end state|non-progress cycle)", re.MULTILINE)
_STATES = re.compile(r"(\d+) states, stored")


@dataclass(frozen=True)
class Variant:
    """A model with something missing or wrong, and the claims that must break."""

    name: str
    breaks: str
    table: str = ""
    rows: Table | None = None
    switch: str = ""


def _without(table: Table, *rows: tuple[object, object]) -> Table:
    return {pair: target for pair, target in table.items() if pair not in rows}


def variants() -> Iterator[Variant]:
    """Each takes away, or changes, one row of one table or one rule around it."""
    state, event, effect = InvoiceState, InvoiceEvent, InvoiceEffect
    refunded = (state.REFUNDED, effect.REFUND)
    changed: Iterator[tuple[str, str, Table]] = iter(
        [
            (
                "no settle deadline",
                NO_WAITING_NAME,
                _without(INVOICE, (state.RELEASED, event.SETTLE_DEADLINE)),
            ),
            (
                "no deliver deadline",
                NO_WAITING_NAME,
                _without(INVOICE, (state.HELD, event.DELIVER_DEADLINE)),
            ),
            (
                "cancel after release",
                "key_or_money",
                {**INVOICE, (state.RELEASED, event.CANCEL): refunded},
            ),
            (
                "a payment that moves no money",
                "no_key_without_pay",
                {**INVOICE, (state.OFFERED, event.PAY): (state.HELD, effect.NONE)},
            ),
            (
                "deliver deadline pays the merchant",
                "no_pay_without_key",
                {**INVOICE, (state.HELD, event.DELIVER_DEADLINE): (state.SETTLED, effect.SETTLE)},
            ),
            (
                "acknowledged twice, paid twice",
                "once",
                {**INVOICE, (state.SETTLED, event.ACKNOWLEDGE): (state.SETTLED, effect.SETTLE)},
            ),
        ]
    )
    for name, breaks, rows in changed:
        yield Variant(name, breaks, "invoice", rows)
    yield Variant(
        "an expired order is never refunded",
        "tables_fit",
        "order",
        _without(ORDER, (OrderState.EXPIRED, OrderEvent.REPORT_REFUNDED)),
    )
    yield Variant(
        "a refund while confirming is not noticed",
        "tables_fit",
        "wallet",
        _without(WALLET, (WalletState.CONFIRMING, WalletEvent.REFUND_SEEN)),
    )
    yield Variant("a refund that the balance does not cover", "conserved", switch="WITHOUT_COVER")
    yield Variant(
        "a token that comes too late is kept", "goods_or_money", switch="WITHOUT_EXCHANGE"
    )


def version() -> str | None:
    """SPIN's own words, or None where it (or a C compiler) is not installed."""
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        return None
    said = subprocess.run(["spin", "-V"], capture_output=True, text=True, check=False).stdout
    return said.strip()


def claims() -> Mapping[int, tuple[str, str]]:
    """Number → name and sentence, as the model states them."""
    return {int(n): (name, text) for n, name, text in _CLAIM.findall(MODEL.read_text())}


@dataclass(frozen=True)
class Search:
    """What one exhaustive search said. broken: numbers of the claims that a run violates."""

    output: str
    broken: frozenset[int]
    states: int
    complete: bool


def run(results: Path) -> Iterator[Line]:
    """One line per claim, with either way of paying, then one per variant."""
    for paying, switches in (("account", {}), ("token", {"TOKEN": 1})):
        yield from _paying(paying, switches, results)
    for variant in variants():
        yield _variant(variant)


def _paying(paying: str, switches: Mapping[str, int], results: Path) -> Iterator[Line]:
    model = f"spin purchase ({paying})"
    found = search(TABLES, {**switches, **BOUNDS})
    cycles = search(TABLES, {**switches, **SMALL_BOUNDS}, cycles=True)
    (results / f"spin-{paying}.txt").write_text(_kept(found) + _kept(cycles))
    for name, text in claims().values():
        # The search stops at the first violation, so nothing else is proved then.
        verdict = Verdict.PROVED if found.complete and not found.broken else Verdict.FAILED
        yield Line(model, name, verdict, text, f"{found.states:,} states")
    verdict = Verdict.PROVED if cycles.complete and not cycles.broken else Verdict.FAILED
    yield Line(model, NO_WAITING_NAME, verdict, NO_WAITING, f"{cycles.states:,} states")


def _kept(found: Search) -> str:
    """SPIN's account of the search, without its progress lines and its list of unreached lines."""
    lines = found.output.partition("unreached in")[0].splitlines()
    return "\n".join(line for line in lines if not line.startswith("Depth=")) + "\n"


def _variant(variant: Variant) -> Line:
    tables = dict(TABLES)
    if variant.rows is not None:
        tables[variant.table] = variant.rows
    switches = {variant.switch: 1} if variant.switch else {}
    if variant.switch == "WITHOUT_EXCHANGE":
        switches["TOKEN"] = 1
    numbers = {name: number for number, (name, _) in claims().items()}
    only = numbers.get(variant.breaks, WAITING)
    found = search(tables, {**switches, **SMALL_BOUNDS}, cycles=only == WAITING, only=only)
    verdict = Verdict.ATTACK if only in found.broken else Verdict.FAILED
    text = f"breaks `{variant.breaks}`"
    return Line("spin purchase", variant.name, verdict, text, f"{found.states:,} states")


def search(
    tables: Mapping[str, Table],
    switches: Mapping[str, int],
    *,
    cycles: bool = False,
    only: int = 0,
) -> Search:
    """Exhaustive, up to the first violation.

    cycles: look for runs without end instead of violated claims. only: the number of the one
    claim to look at; 0 means all, and that nobody is left waiting.
    """
    kind = ["-DNP", "-DNOFAIR"] if cycles else ["-DSAFETY"]
    options = ["-l"] if cycles else []
    options += ["-E"] if only else []
    defines = [f"-D{name}={value}" for name, value in {**switches, "ONLY": only}.items()]
    with TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "tables.pml").write_text(promela(tables))
        (place / MODEL.name).write_text(MODEL.read_text())
        _call(["spin", *defines, "-a", MODEL.name], place)
        _call(
            ["gcc", "-O2", "-w", f"-DMEMLIM={MEMORY_MAX_MIB}", *kind, "-o", "pan", "pan.c"], place
        )
        output = _call(["./pan", f"-m{DEPTH_MAX}", *options], place)
    broken = {int(number) for number in _VIOLATED.findall(output)}
    if _WAITING.search(output):
        broken.add(WAITING)
    stored = _STATES.search(output)
    complete = stored is not None and "Search not completed" not in output
    complete = complete and "max search depth too small" not in output
    return Search(output, frozenset(broken), int(stored[1]) if stored else 0, complete)


def _call(command: list[str], place: Path) -> str:
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    return done.stdout + done.stderr
