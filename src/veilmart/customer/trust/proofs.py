"""Proofs: contradicting documents that one party signed, stored as received, verified offline.

A proof file is one MessagePack map. The documents alone are the proof: the party itself
signed both, so nobody has to believe the wallet.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta
from sqlalchemy import Connection, bindparam, select, update
from sqlalchemy.dialects.sqlite import insert

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.schema.token_tables import proofs
from veilmart.errors import (
    PeerFault,
    ProofInvalid,
    TokenKeysForked,
    ViewsForked,
)
from veilmart.limits import CATALOGUE_MAX_BYTES, SIGNED_DESCRIPTOR_MAX_BYTES
from veilmart.protocol import labels
from veilmart.protocol.catalogue import SignedCatalogue, open_catalogue
from veilmart.protocol.descriptor import SignedDescriptor, read_descriptor
from veilmart.protocol.encoding import Message, decode, encode, labelled_hash
from veilmart.protocol.signed_chains import catalogue_contradiction, contradiction
from veilmart.protocol.token_list import listed_keys
from veilmart.storage.database.prepared import Prepared

PROOF_MAX_BYTES = 2 * CATALOGUE_MAX_BYTES + 64 * 1024
NOT_SHOWN = (
    "The descriptors between the two were withheld; by themselves the two do not contradict."
)

Signed = Annotated[bytes, Meta(max_length=CATALOGUE_MAX_BYTES)]
Certificate = Annotated[bytes, Meta(max_length=SIGNED_DESCRIPTOR_MAX_BYTES)]


class ProofFile(Message, frozen=True):
    """Two signed documents that contradict each other.

    one, other: descriptors, or catalogues with the descriptors that certify them (else empty).
    `other` is empty when `one` contradicts itself.
    """

    kind: Literal["descriptors", "catalogues"]
    one: Signed
    other: Signed
    one_descriptor: Certificate
    other_descriptor: Certificate


@dataclass(frozen=True)
class Proof:
    """hash: names it, 32 bytes. party: fingerprint. made_at: Unix seconds."""

    hash: bytes
    party: bytes
    made_at: int
    content: bytes = field(repr=False)
    stops: bool


@dataclass(frozen=True)
class VerifiedProof:
    """party: fingerprint as people write it. finding: how the documents contradict each other.

    conclusive: False where only the descriptors between were withheld.
    """

    party: str
    name: str
    role: str
    finding: str
    conclusive: bool


def descriptor_proof(one: SignedDescriptor, other: SignedDescriptor | None) -> ProofFile:
    return ProofFile(
        kind="descriptors",
        one=one.signed,
        other=b"" if other is None else other.signed,
        one_descriptor=b"",
        other_descriptor=b"",
    )


def catalogue_proof(
    one: SignedCatalogue, other: SignedCatalogue, certificates: tuple[bytes, bytes]
) -> ProofFile:
    """certificates: the signed descriptors of the two catalogues' signing keys."""
    return ProofFile(
        kind="catalogues",
        one=one.blob,
        other=other.blob,
        one_descriptor=certificates[0],
        other_descriptor=certificates[1],
    )


def keep_proof(connection: Connection, party: bytes, proof: ProofFile, now: int) -> None:
    """Store it; from now on it stops the wallet's business with the party."""
    content = encode(proof)
    values = {
        "hash": labelled_hash(labels.PROOF, content),
        "party": party,
        "made_at": now,
        "content": content,
        "stops": 1,
    }
    given = insert(proofs).values(values)
    connection.execute(given.on_conflict_do_update(index_elements=["hash"], set_={"stops": 1}))


def all_proofs(connection: Connection) -> list[Proof]:
    """Newest first."""
    rows = connection.execute(select(proofs).order_by(proofs.c.made_at.desc(), proofs.c.hash))
    return [Proof(r.hash, r.party, r.made_at, r.content, bool(r.stops)) for r in rows]


_STOPPING = Prepared(
    select(proofs.c.hash).where(proofs.c.party == bindparam("of_party"), proofs.c.stops == 1)
)


def check_not_stopped(connection: Connection, party: bytes) -> None:
    """Raises ViewsForked while a proof against this broker or merchant stops the wallet."""
    found = stopped(connection, party)
    if found is not None:
        raise found


def stopped(connection: Connection, party: bytes) -> ViewsForked | None:
    """What `check_not_stopped` raises."""
    found = _STOPPING.first(connection, {"of_party": party})
    if found is None:
        return None
    return ViewsForked(f"Proof {found[0].hex()[:8]} stops business with it.")


def settle_proofs(connection: Connection, party: bytes) -> None:
    """The person has verified the party: its proofs are kept but no longer stop the wallet."""
    connection.execute(update(proofs).where(proofs.c.party == party).values(stops=0))


def verify_proof(content: bytes) -> VerifiedProof:
    """Check every signature and find the contradiction. Raises ProofInvalid when there is none."""
    try:
        proof = decode(ProofFile, content, PROOF_MAX_BYTES)
        if proof.kind == "catalogues":
            return _verify_catalogues(proof)
        return _verify_descriptors(proof)
    except PeerFault as fault:
        raise ProofInvalid(fault.detail or fault.summary) from fault


def _verify_descriptors(proof: ProofFile) -> VerifiedProof:
    one = read_descriptor(proof.one)
    if not proof.other:
        try:
            listed_keys(one.descriptor)
        except TokenKeysForked as fork:
            return _found(one, fork.summary)
        raise ProofInvalid("The descriptor does not contradict itself.")
    other = read_descriptor(proof.other)
    same = (one.fingerprint, one.descriptor.role) == (other.fingerprint, other.descriptor.role)
    if not same or one.hash == other.hash:
        raise ProofInvalid("These are not two descriptors of one party.")
    finding = contradiction(one, other)
    return _found(one, finding or NOT_SHOWN, conclusive=finding is not None)


def _verify_catalogues(proof: ProofFile) -> VerifiedProof:
    merchants = [read_descriptor(proof.one_descriptor), read_descriptor(proof.other_descriptor)]
    if merchants[0].fingerprint != merchants[1].fingerprint:
        raise ProofInvalid("The catalogues are of different merchants.")
    both = [
        open_catalogue(blob, merchant.descriptor.signing_key, merchant.fingerprint)
        for blob, merchant in zip((proof.one, proof.other), merchants, strict=True)
    ]
    finding = catalogue_contradiction(*both)
    if finding is None:
        raise ProofInvalid("The catalogues do not contradict each other.")
    return _found(merchants[0], finding)


def _found(signed: SignedDescriptor, finding: str, *, conclusive: bool = True) -> VerifiedProof:
    return VerifiedProof(
        party=format_fingerprint(signed.fingerprint),
        name=signed.descriptor.name,
        role=signed.descriptor.role,
        finding=finding,
        conclusive=conclusive,
    )
