"""Findings that the operator has signed off: they stay findings, but months are folded again.

A finding is signed off with its row and its sentence: another fault of the same row is new.
"""

import hashlib
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, select

from veilmart.broker.audit.findings import Check, Finding
from veilmart.broker.schema.upkeep_tables import signed_off
from veilmart.errors import BadArgument, NoSuchFinding
from veilmart.limits import NOTE_MAX_CHARACTERS, SIGNED_OFF_MAX
from veilmart.storage.database.columns import insert as upsert

_s = signed_off.c
_all = select(_s.name, _s.row, _s.what, _s.note, _s.at).order_by(_s.at, _s.name, _s.row)
_add = upsert(signed_off).on_conflict_do_nothing()


class SignedOff(msgspec.Struct, frozen=True):
    """at: Unix seconds."""

    name: str
    row: str
    what: str
    note: str
    at: int


def signed_lines(conn: Connection) -> list[SignedOff]:
    """Every finding that was signed off, the oldest first."""
    return [SignedOff(*row) for row in conn.execute(_all)]


def sign_off(
    conn: Connection, checks: Sequence[Check], name: str, row: str, note: str, now: int
) -> list[Finding]:
    """Transaction: sign off what these checks found under `name` of `row`; what it was.

    Raises NoSuchFinding, and BadArgument for too long a note or too many findings.
    """
    if not note or len(note) > NOTE_MAX_CHARACTERS:
        raise BadArgument(f"A note has 1 to {NOTE_MAX_CHARACTERS} characters.")
    found = [
        finding
        for check in checks
        for finding in check.findings
        if (finding.name, finding.row) == (name, row)
    ]
    if not found:
        raise NoSuchFinding(f"{name[:40]} of {row[:80]}")
    if len(signed_lines(conn)) + len(found) > SIGNED_OFF_MAX:
        raise BadArgument(f"{SIGNED_OFF_MAX} findings are signed off at most.")
    for finding in found:
        values = {"digest": _digest(finding), "note": note, "at": now}
        conn.execute(_add, values | {"name": name, "row": row, "what": finding.what})
    return found


def unsigned(checks: Sequence[Check], signed: Sequence[SignedOff]) -> list[Check]:
    """The checks with unsigned findings, and those with more findings than they list."""
    known = {(line.name, line.row, line.what) for line in signed}
    return [
        check
        for check in checks
        if check.found > len(check.findings)
        or any((found.name, found.row, found.what) not in known for found in check.findings)
    ]


def _digest(finding: Finding) -> bytes:
    text = "\0".join((finding.name, finding.row, finding.what))
    return hashlib.sha256(text.encode()).digest()
