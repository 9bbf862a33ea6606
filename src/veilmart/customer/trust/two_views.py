"""Comparing the descriptors that a party shows to the wallet's two identities (page 11.7).

What a wallet requests does not depend on its other view: it fetches all descriptors since the
beginning of the epoch, whatever it has already. Two signed documents that contradict each other
are stored as proof and stop the wallet before it spends anything. An unsigned answer proves nothing
and counts as a failure of the network.
"""

from typing import Protocol

from sqlalchemy import Connection

from veilmart.customer.trust.proofs import descriptor_proof, keep_proof
from veilmart.customer.trust.seen_descriptors import (
    SeenDescriptor,
    View,
    drop_old,
    keep_seen,
    seen_of,
)
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import TokenKeysForked, UnsignedAnswer, ViewsForked
from veilmart.limits import DESCRIPTORS_PER_EPOCH_MAX, EPOCH_SECONDS
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.signed_chains import contradiction, epoch_start, serial_below
from veilmart.protocol.token_list import listed_keys


class DescriptorSource(Protocol):
    """Signed descriptors of one party, as the broker serves them, unchecked."""

    async def newest(self) -> bytes:
        """Raises NetworkFailures and refusals, as `numbered` does."""
        ...

    async def numbered(self, serial: int) -> bytes:
        """The descriptor with this serial, 1 or higher."""
        ...


async def check_token_list(wallet: Wallet, fresh: SignedDescriptor) -> None:
    """Raises TokenKeysForked for a descriptor that contradicts itself; it is kept as proof."""
    try:
        listed_keys(fresh.descriptor)
    except TokenKeysForked:
        proof = descriptor_proof(fresh, None)
        await wallet.database.run(keep_proof, fresh.fingerprint, proof, wallet.clock())
        raise


async def check_views(
    wallet: Wallet,
    view: View,
    fresh: SignedDescriptor,
    source: DescriptorSource,
    seen: list[SeenDescriptor],
) -> None:
    """Fetch the chain below `fresh` and compare it with all that was ever shown to this wallet.

    seen: what `seen_of` returned before. Raises ViewsForked where two signatures contradict each
    other, UnsignedAnswer and what `source` raises where the chain is not shown: that stops this
    connection only.
    """
    chain = await _fetch_chain(wallet, fresh, source)
    shown = {one.signed for one in chain}
    while True:
        # Outside of a transaction: it verifies every signature. Those of the chain are verified,
        # and it does not contradict itself.
        before = sorted({one.signed for one in seen} - shown)
        conflict = _conflict(chain, [read_descriptor(signed) for signed in before])
        if conflict is not None:
            one, other, finding = conflict
            await _keep(wallet, one, other)
            raise ViewsForked(finding)
        oldest = epoch_start(wallet.clock()) - 2 * EPOCH_SECONDS
        if not _changes(view, shown, seen, oldest):
            # What is shown later, by whatever connection, is compared with these rows.
            return
        now_seen = await wallet.database.run(_keep_chain, view, chain, seen, oldest)
        if now_seen == seen:
            return
        seen = now_seen


async def _fetch_chain(
    wallet: Wallet, fresh: SignedDescriptor, source: DescriptorSource
) -> list[SignedDescriptor]:
    """`fresh` and what it follows, down to the one that was valid when the epoch began."""
    start = epoch_start(wallet.clock())
    chain = [fresh]
    while chain[-1].descriptor.not_before >= start:
        above = chain[-1]
        serial = serial_below(above.descriptor)
        if serial is None:
            break
        below = read_descriptor(await source.numbered(serial))
        if below.fingerprint != fresh.fingerprint or below.descriptor.serial != serial:
            raise UnsignedAnswer(f"The answer for descriptor {serial} is another descriptor.")
        for other in (above, fresh):
            finding = contradiction(other, below)
            if finding is not None:
                await _keep(wallet, other, below)
                raise ViewsForked(finding)
        if len(chain) > 2 * DESCRIPTORS_PER_EPOCH_MAX:
            raise UnsignedAnswer("The chain of descriptors is too long.")
        chain.append(below)
    return chain


def _conflict(
    chain: list[SignedDescriptor], before: list[SignedDescriptor]
) -> tuple[SignedDescriptor, SignedDescriptor, str] | None:
    """Two that contradict each other, if there are any. before: what was ever shown. Pure."""
    fresh = chain[0]
    by_serial: dict[int, list[SignedDescriptor]] = {}
    for earlier in before:
        by_serial.setdefault(earlier.descriptor.serial, []).append(earlier)
    for shown in chain:
        serial = shown.descriptor.serial
        near = {serial - 1, serial, serial + 1, serial_below(shown.descriptor) or 0}
        for other in (one for neighbour in near for one in by_serial.get(neighbour, ())):
            finding = contradiction(shown, other)
            if finding is not None:
                return shown, other, finding
    for other in before:
        finding = contradiction(fresh, other)
        if finding is not None:
            return fresh, other, finding
    return None


def _changes(view: View, shown: set[bytes], seen: list[SeenDescriptor], oldest: int) -> bool:
    """Whether `_keep_chain` would change a row."""
    newest = {one.view: one.serial for one in seen}  # they are in order
    dropped = any(one.not_before < oldest and one.serial != newest[one.view] for one in seen)
    return dropped or not shown <= {one.signed for one in seen if one.view == view}


def _keep_chain(
    connection: Connection,
    view: View,
    chain: list[SignedDescriptor],
    seen: list[SeenDescriptor],
    oldest: int,
) -> list[SeenDescriptor]:
    """Transaction: keep what this view was shown, and drop what was made before `oldest`.

    Returns what was seen by then; where that is not `seen`, with which the chain was compared,
    nothing was done.
    """
    party = chain[0].fingerprint
    found = seen_of(connection, party)
    if found == seen:
        keep_seen(connection, view, chain)
        drop_old(connection, party, oldest)
    return found


async def _keep(wallet: Wallet, one: SignedDescriptor, other: SignedDescriptor) -> None:
    proof = descriptor_proof(one, other)
    await wallet.database.run(keep_proof, one.fingerprint, proof, wallet.clock())
