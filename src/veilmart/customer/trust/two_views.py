"""Both views on one chain: a fetched descriptor against what the other view saw last.

docs/protocol/11-tokens.md, 11.7. Whatever is not on one chain is kept as proof, and stops the
wallet before anything is spent.
"""

from collections.abc import Awaitable, Callable

from veilmart.customer.trust.proofs import descriptor_proof, keep_proof
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import (
    PeerFault,
    Refusal,
    SerialLower,
    TokenKeysForked,
    TrustFailure,
    UnexpectedAnswer,
    ViewsForked,
)
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.token_list import listed_keys
from veilmart.protocol.views import CHAIN_MAX, contradiction, missing_serials

FetchSerial = Callable[[int], Awaitable[bytes]]
"""A signed descriptor of the same party by its serial, unchecked."""


async def check_token_list(wallet: Wallet, fresh: SignedDescriptor) -> None:
    """Raises TokenKeysForked for a descriptor that contradicts itself; it is kept as proof."""
    try:
        listed_keys(fresh.descriptor)
    except TokenKeysForked:
        proof = descriptor_proof(fresh, None)
        await wallet.database.run(keep_proof, fresh.fingerprint, proof, wallet.clock())
        raise


async def check_views(
    wallet: Wallet, fresh: SignedDescriptor, known: SignedDescriptor, fetch: FetchSerial
) -> None:
    """`fresh` and what the other view knows lie on one chain. Raises ViewsForked, SerialLower."""
    await _check_pair(wallet, fresh, known)
    new, old = fresh.descriptor.serial, known.descriptor.serial
    if new < old:
        raise SerialLower(f"Serial {new}; the wallet's other view has seen {old}.")
    missing = missing_serials(old, new)
    if len(missing) > CHAIN_MAX:
        await _fork(wallet, fresh, known, "Too much lies between the two.")
    above = fresh
    for serial in missing:
        try:
            below = read_descriptor(await fetch(serial))
        except (Refusal, PeerFault, TrustFailure) as fault:
            if serial <= old and isinstance(fault, Refusal | UnexpectedAnswer):
                break  # only there to blur what we knew
            await _fork(wallet, fresh, known, "What lies between the two is not shown.")
        if below.fingerprint != fresh.fingerprint or below.descriptor.serial != serial:
            await _fork(wallet, fresh, known, "What lies between the two is something else.")
        await _check_pair(wallet, above, below)
        await _check_pair(wallet, below, known)
        above = below


async def _check_pair(wallet: Wallet, one: SignedDescriptor, other: SignedDescriptor) -> None:
    finding = contradiction(one, other)
    if finding is not None:
        await _fork(wallet, one, other, finding)


async def _fork(
    wallet: Wallet, one: SignedDescriptor, other: SignedDescriptor, finding: str
) -> None:
    proof = descriptor_proof(one, other)
    await wallet.database.run(keep_proof, one.fingerprint, proof, wallet.clock())
    raise ViewsForked(finding)
