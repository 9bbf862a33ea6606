"""`veilmart broker audit`."""

from cyclopts import App
from rich.console import Console
from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.audit import Check, Progress, audit
from veilmart.broker.audit.total_money import TotalMoney, total_money
from veilmart.broker.cli.books import open_books
from veilmart.errors import LedgerViolated
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Terminal

SHOWN_MAX = 5


def register_audit(app: App) -> None:
    """Mount the command on the broker's app."""
    app.command(audit_books, name="audit")


@command
def audit_books(*, common: Common = Common()) -> int:
    """Recompute everything from postings and signed records, while the broker goes on.

    Exit code 7 when something is not as it has to be.
    """
    terminal = common.terminal()
    with open_books(common) as opened:
        checks, money, decimals = opened.database.read_now(
            _read, opened.fingerprint, _shown_progress(terminal)
        )
    ok = money.holds and all(check.holds for check in checks)

    def draw(console: Console) -> None:
        for check in checks:
            _draw_check(console, check)
        verdict = "The books are in order." if ok else "THE BOOKS ARE BROKEN."
        console.print(f"{money.line(decimals)}.\n{verdict}", markup=False)

    terminal.result({"ok": ok, "checks": checks, "solvency": money}, draw)
    return 0 if ok else LedgerViolated.exit_code


def _read(
    conn: Connection, broker: bytes, progress: Progress
) -> tuple[list[Check], TotalMoney, int]:
    return audit(conn, broker, progress), total_money(conn), settings.load(conn).decimals


def _shown_progress(terminal: Terminal) -> Progress:
    """A line now and then for people who wait; books that are quickly read have none."""

    def show(name: str, rows: int) -> None:
        if not terminal.json:
            terminal.errors.print(f"       {name}: {rows} so far", markup=False)

    return show


def _draw_check(console: Console, check: Check) -> None:
    mark = "ok" if check.holds else "BROKEN"
    console.print(f"{mark:6} {check.name} ({check.counted})", markup=False)
    for finding in check.findings[:SHOWN_MAX]:
        console.print(f"       {finding.name}: {finding.row}: {finding.what}", markup=False)
    if check.found > SHOWN_MAX:
        console.print(f"       and {check.found - SHOWN_MAX} more", markup=False)
