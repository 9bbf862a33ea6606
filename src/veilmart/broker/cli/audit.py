"""`veilmart broker audit|sign-off|status`: the books, findings looked at, what works by itself."""

from typing import Annotated

from cyclopts import App, Parameter
from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.audit import Check, Progress, audit
from veilmart.broker.audit.sign_off import SignedOff, sign_off, signed_lines, unsigned
from veilmart.broker.audit.total_money import TotalMoney, total_money
from veilmart.broker.cli.books import open_books
from veilmart.broker.maintenance.duty import DutyLine, duty_lines
from veilmart.broker.maintenance.upkeep import confirm_clock
from veilmart.errors import LedgerViolated
from veilmart.protocol import moments
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Console, Terminal

SHOWN_MAX = 5

clock_app = App(name="clock", help="Confirm the machine's clock after a jump.")


@command
def audit_books(*, common: Common = Common()) -> int:
    """Recompute everything from postings and signed records, while the broker runs.

    Exit code 7 if there is a finding that was not signed off.
    """
    terminal = common.terminal()
    with open_books(common) as opened:
        checks, money, decimals, signed = opened.database.read_long(
            _read, opened.fingerprint, _shown_progress(terminal)
        )
    ok = money.holds and not unsigned(checks, signed)

    def draw(console: Console) -> None:
        for check in checks:
            _draw_check(console, check, signed)
        verdict = "The books are in order." if ok else "THE BOOKS ARE BROKEN."
        console.print(f"{money.line(decimals)}.\n{verdict}")

    shown = {"ok": ok, "checks": checks, "solvency": money, "signed_off": signed}
    terminal.result(shown, draw)
    return 0 if ok else LedgerViolated.exit_code


def _read(
    conn: Connection, broker: bytes, progress: Progress
) -> tuple[list[Check], TotalMoney, int, list[SignedOff]]:
    checks = audit(conn, broker, progress)
    return checks, total_money(conn), settings.load(conn).decimals, signed_lines(conn)


def _shown_progress(terminal: Terminal) -> Progress:
    """Print the progress of a long audit from time to time."""

    def show(name: str, rows: int) -> None:
        if not terminal.json:
            terminal.errors.print(f"       {name}: {rows} so far")

    return show


def _draw_check(console: Console, check: Check, signed: list[SignedOff]) -> None:
    mark = "ok" if check.holds else "BROKEN" if unsigned([check], signed) else "signed"
    console.print(f"{mark:6} {check.name} ({check.counted})")
    for finding in check.findings[:SHOWN_MAX]:
        console.print(f"       {finding.name}: {finding.row}: {finding.what}")
    if check.found > SHOWN_MAX:
        console.print(f"       and {check.found - SHOWN_MAX} more")


# ---- findings that were looked at ----------------------------------------------------------------


@command
def sign_off_finding(
    finding: Annotated[str, Parameter(help="The finding's name, as the audit shows it.")],
    row: Annotated[str, Parameter(help="Its row, as the audit shows it.")],
    *,
    note: Annotated[str, Parameter(help="The reason for signing it off.")],
    common: Common = Common(),
) -> None:
    """Sign off a finding of the audit after looking at it, so that months are folded again."""
    terminal = common.terminal()
    with open_books(common) as opened:
        checks = opened.database.read_long(audit, opened.fingerprint, _shown_progress(terminal))
        found = opened.database.run_now(sign_off, checks, finding, row, note, unix_now())
    terminal.result(
        {"signed_off": found},
        lambda console: console.print(
            "\n".join(f"Signed off: {each.name}: {each.row}: {each.what}" for each in found)
        ),
    )


# ---- what works by itself ------------------------------------------------------------------------


@command
def status(*, common: Common = Common()) -> None:
    """Show when the broker last did its duties, and which of them fail."""
    with open_books(common) as opened:
        lines = opened.database.read_now(duty_lines)
    now = unix_now()
    failing = [line for line in lines if line.failing_since is not None]

    def draw(console: Console) -> None:
        for line in lines:
            console.print(_duty_text(line, now))
        verdict = "Every duty is done." if not failing else "SOME DUTIES FAIL."
        console.print(verdict if lines else "The broker has never run.")

    common.terminal().result({"ok": not failing, "duties": lines}, draw)


def _duty_text(line: DutyLine, now: int) -> str:
    done = "never done" if line.done_at is None else f"last noted {_ago(now - line.done_at)} ago"
    if line.failing_since is None:
        return f"ok     {line.name}: {done}"
    return f"FAILS  {line.name}: {done}, not since {_ago(now - line.failing_since)}: {line.error}"


def _ago(seconds: int) -> str:
    days, rest = divmod(max(0, seconds), 24 * 3600)
    hours, rest = divmod(rest, 3600)
    return f"{days} days {hours} h" if days else f"{hours} h {rest // 60} min"


@clock_app.command
@command
def confirm(*, common: Common = Common()) -> None:
    """Confirm that the machine's clock is right, after a jump or a long stop.

    Deadlines that have passed take effect at once, and ended keys are retired.
    """
    now = unix_now()
    with open_books(common) as opened:
        opened.database.run_now(confirm_clock, now)
    said = moments.moment(now).strftime("%Y-%m-%d %H:%M:%S UTC")
    common.terminal().result(
        {"at": now}, lambda console: console.print(f"The clock is right: {said}.")
    )
