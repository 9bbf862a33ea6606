"""What `backup` and `restore` of the three roles have in common on the command line."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from veilmart.storage.backup.backup import BackedUp
from veilmart.storage.backup.restore import Restored
from veilmart.storage.files.names import shown_path

Target = Annotated[Path, Parameter(help="File to write; nothing there is replaced.")]
OverNewer = Annotated[
    bool, Parameter(help="Also over a home that is newer than the backup; it is put aside.")
]


def draw_backup(console: Console, done: BackedUp) -> None:
    """One line."""
    size = f"{done.files} files, {done.bytes} bytes"
    console.print(f"Backup written to {shown_path(done.path)} ({size})", markup=False)


def draw_restored(console: Console, done: Restored) -> None:
    """One or two lines."""
    moment = datetime.fromtimestamp(done.made_at, tz=UTC)
    console.print(f"Restored the {done.role} of {moment:%Y-%m-%d %H:%M:%S} UTC.", markup=False)
    if done.put_aside is not None:
        console.print(f"What was there is in {shown_path(done.put_aside)}", markup=False)
    if done.schema_aside is not None:
        console.print(f"The tables before are in the schema {done.schema_aside}", markup=False)
