"""Codes that are shown once are stored in the home folder until they have been printed.

The file is there before the transaction commits, and goes when the caller has shown it. So neither
a full disk, nor a sheet that cannot be written, nor a crash loses a code.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import msgspec
from sqlalchemy import Connection

from veilmart.broker.accounts.vouchers import Issued
from veilmart.broker.home import BrokerHome
from veilmart.broker.schema.voucher_tables import invitations, vouchers
from veilmart.errors import NoSuchCode
from veilmart.protocol.code import code_hash, parse_code
from veilmart.storage.database.refused import undone_if_refused

_PREFIX, _SUFFIX = "codes-", ".json"
_NAME_BYTES = 8
Kind = Literal["voucher", "invitation"]


class KeptCodes(msgspec.Struct, frozen=True):
    """value: of each, as shown to people. codes: secret."""

    kind: Kind
    batch: int
    value: str
    codes: list[str]


@contextmanager
def issued_and_kept(
    opened: BrokerHome, kind: Kind, value: str, issue: Callable[[Connection], Issued]
) -> Iterator[KeptCodes]:
    """Issue codes in one transaction; leaving the block without an error forgets them.

    Raises as `issue`, and DiskFull, CannotWrite before anything is issued.
    """
    name = f"{_PREFIX}{os.urandom(_NAME_BYTES).hex()}{_SUFFIX}"

    def issue_and_keep(conn: Connection) -> KeptCodes:
        issued = issue(conn)
        kept = KeptCodes(kind, issued.batch, value, issued.codes)
        opened.home.write_secret(name, msgspec.json.encode(kept))
        return kept

    with undone_if_refused(lambda: opened.home.remove(name)):
        kept = opened.database.run_now(issue_and_keep)
    yield kept
    opened.home.remove(name)


@contextmanager
def kept_batch(opened: BrokerHome, kind: Kind) -> Iterator[KeptCodes]:
    """A batch that was never written out; leaving the block without an error forgets it.

    Codes whose transaction did not commit are left out. Raises NoSuchCode when there is none.
    """
    for name in kept_names(opened):
        kept = msgspec.json.decode(opened.home.read(name), type=KeptCodes)
        if kept.kind != kind:
            continue
        codes = opened.database.run_now(_standing, kept)
        if codes:
            yield msgspec.structs.replace(kept, codes=codes)
            opened.home.remove(name)
            return
        opened.home.remove(name)
    raise NoSuchCode("All codes have been written out.")


def kept_names(opened: BrokerHome) -> list[str]:
    """Files of the home folder that hold codes."""
    found = opened.home.path.glob(f"{_PREFIX}*{_SUFFIX}")
    return sorted(file.name for file in found)


def _standing(conn: Connection, kept: KeptCodes) -> list[str]:
    table = vouchers if kept.kind == "voucher" else invitations
    hashes = {bytes(row[0]) for row in conn.execute(table.select().with_only_columns(table.c.hash))}
    return [code for code in kept.codes if code_hash(parse_code(code)) in hashes]
