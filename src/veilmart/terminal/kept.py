"""What `backup` and `restore` of the three roles have in common on the command line."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.crypto.identity import fingerprint, identity_from_pem, public_spki
from veilmart.protocol import moments
from veilmart.storage.backup.backup import BackedUp, HomeLayout
from veilmart.storage.backup.restore import Restored, restore
from veilmart.storage.files.home import Home
from veilmart.storage.files.names import shown_path
from veilmart.terminal.command import ServerCommon
from veilmart.terminal.console import Console

Target = Annotated[Path, Parameter(help="File to write; nothing there is replaced.")]
OverNewer = Annotated[
    bool, Parameter(help="Replace a home newer than the backup; the old one is moved aside.")
]


def draw_backup(console: Console, done: BackedUp) -> None:
    """One line."""
    size = f"{done.files} files, {done.bytes} bytes"
    console.print(f"Backup written to {shown_path(done.path)} ({size})")


def draw_restored(console: Console, done: Restored) -> None:
    """One or two lines."""
    moment = moments.moment(done.made_at)
    console.print(f"Restored the {done.role} of {moment:%Y-%m-%d %H:%M:%S} UTC.")
    if done.put_aside is not None:
        console.print(f"What was there is in {shown_path(done.put_aside)}")
    if done.schema_aside is not None:
        console.print(f"The tables before are in the schema {done.schema_aside}")


def restore_server(
    file: Path,
    path: Path,
    layout: HomeLayout,
    identity_file: str,
    common: ServerCommon,
    *,
    over_newer: bool,
) -> None:
    """Put the home of a broker or merchant back at `path` and say what was done."""
    identity = None
    if (path / identity_file).is_file():
        key = identity_from_pem(Home(path, create=False).read(identity_file))
        identity = fingerprint(public_spki(key))
    done = restore(
        file, path, layout, identity=identity, over_newer=over_newer, database=common.database
    )
    common.terminal().result(done, lambda console: draw_restored(console, done))
