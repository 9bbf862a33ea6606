"""A broker that is put back from its backup."""

from pathlib import Path

from veilmart.broker.backup_layout import LAYOUT
from veilmart.broker.home import BrokerHome
from veilmart.storage.backup.restore import restore


def put_back(archive: Path, opened: BrokerHome, *, over_newer: bool = True) -> None:
    path, fingerprint = opened.home.path, opened.fingerprint
    restore(archive, path, LAYOUT, identity=fingerprint, over_newer=over_newer)
