"""Invitations: issued in batches, stored as hashes, each valid for one account."""

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from veilmart.broker.accounts.vouchers import BatchLine, Issued, new_codes
from veilmart.broker.schema.voucher_tables import invitations
from veilmart.errors import InvitationInvalid, NoSuchCode
from veilmart.protocol.code import code_hash, parse_code
from veilmart.protocol.ports import Random

_use_invitation = delete(invitations).where(invitations.c.hash == bindparam("of"))


def issue_invitations(conn: Connection, count: int, now: int, random: Random) -> Issued:
    """Make a batch. Raises BadArgument."""
    codes = new_codes(count, random)
    batch = int(conn.execute(select(func.max(invitations.c.batch))).scalar_one() or 0) + 1
    rows = [
        {"hash": code_hash(parse_code(code)), "batch": batch, "issued_at": now} for code in codes
    ]
    conn.execute(insert(invitations), rows)
    return Issued(batch, 0, codes)


def is_invited(conn: Connection, hashed: bytes) -> bool:
    """Whether the invitation is still valid; checked before a password is hashed."""
    query = select(invitations.c.batch).where(invitations.c.hash == hashed)
    return conn.execute(query).one_or_none() is not None


def use_invitation(conn: Connection, hashed: bytes) -> None:
    """In the transaction that opens the account. Raises InvitationInvalid."""
    if conn.execute(_use_invitation, {"of": hashed}).rowcount != 1:
        raise InvitationInvalid


def void_invitations(conn: Connection, batch: int) -> int:
    """Void the unused invitations of a batch; how many. Raises NoSuchCode."""
    gone = conn.execute(delete(invitations).where(invitations.c.batch == batch)).rowcount
    if not gone:
        raise NoSuchCode(f"Batch {batch} has no unused codes.")
    return gone


def invitation_lines(conn: Connection) -> list[BatchLine]:
    """Unused invitations of every batch; used ones are deleted."""
    query = (
        select(invitations.c.batch, func.min(invitations.c.issued_at), func.count())
        .group_by(invitations.c.batch)
        .order_by(invitations.c.batch)
    )
    return [BatchLine(row[0], row[1], 0, row[2], row[2], 0, 0) for row in conn.execute(query)]
