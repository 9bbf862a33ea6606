"""`veilmart broker export|backup|restore|restored`."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from veilmart.broker import settings
from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.cli.books import open_books
from veilmart.broker.home import IDENTITY_FILE
from veilmart.broker.operator import since_backup
from veilmart.broker.operator.exports import KINDS, export
from veilmart.broker.operator.since_backup import SinceBackup
from veilmart.storage.backup.backup import back_up
from veilmart.storage.files.home import default_home
from veilmart.terminal.clock import unix_now
from veilmart.terminal.command import ServerCommon as Common, command
from veilmart.terminal.console import Console, Terminal
from veilmart.terminal.csv_file import show_export
from veilmart.terminal.kept import OverNewer, Target, draw_backup, restore_server


@command
def export_table(
    kind: Annotated[str, Parameter(help=f"One of: {', '.join(KINDS)}.")],
    file: Annotated[Path, Parameter(help="CSV file to write.")],
    *,
    common: Common = Common(),
) -> None:
    """Write a table as CSV; amounts as 5.00, times in Unix seconds."""
    with open_books(common) as opened:
        opened.database.read_long(_write, kind, file, common.terminal())


def _write(conn: Connection, kind: str, file: Path, terminal: Terminal) -> None:
    """A reading, which does not block the server; memory does not grow with the table."""
    exported = export(conn, kind)
    show_export(terminal, file, exported.heads, exported.rows, settings.load(conn).decimals)


@command
def backup(file: Target, *, common: Common = Common()) -> None:
    """Back up identity and books, also while the broker runs. Keep the file secret."""
    with open_books(common) as opened:
        done = back_up(
            opened.home,
            LAYOUT,
            file,
            identity=opened.fingerprint,
            now=unix_now(),
            database=opened.database,
        )
    common.terminal().result(done, lambda console: draw_backup(console, done))


@command
def restore_home(
    file: Annotated[Path, Parameter(help="A backup.")],
    *,
    over_newer: OverNewer = False,
    common: Common = Common(),
) -> None:
    """Restore a backup while the broker is stopped; the present home is moved aside."""
    restore_server(
        file,
        common.home or default_home("broker"),
        LAYOUT,
        IDENTITY_FILE,
        common,
        over_newer=over_newer,
    )


@command
def restored(
    *,
    payouts: Annotated[
        bool, Parameter(help="Confirm: every payment to a merchant since the backup is booked.")
    ] = False,
    common: Common = Common(),
) -> None:
    """After a restore: list what must be confirmed because the backup cannot know it."""
    with open_books(common) as opened:
        run_now = opened.database.run_now
        if payouts:
            run_now(since_backup.confirm_payouts)
        waiting = run_now(since_backup.read)
    common.terminal().result(waiting, lambda console: _draw_waiting(console, waiting))


def _draw_waiting(console: Console, waiting: SinceBackup) -> None:
    if waiting.vouchers:
        console.print(
            f"{waiting.vouchers} vouchers may have been taken back since the backup: take those "
            "back again, then `veilmart broker voucher confirm`."
        )
    if waiting.payouts:
        console.print(
            f"Merchants may have been paid since the backup; {len(waiting.withdrawals)} of them "
            "wait. Book each payment that your bank shows by `veilmart broker payout --reference "
            "NUMBER --before-restore`, then `veilmart broker restored --payouts`."
        )
    if not waiting.vouchers and not waiting.payouts:
        console.print("Nothing waits for confirmation.")
