"""`veilmart customer proxy|proof`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from veilmart.crypto.identity import format_fingerprint
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.trust.proofs import (
    PROOF_MAX_BYTES,
    Proof,
    VerifiedProof,
    all_proofs,
    verify_proof,
)
from veilmart.customer.wallet.proxy import read_proxy, save_proxy, stored_proxy
from veilmart.customer.wallet.wallet import Wallet
from veilmart.errors import BadArgument, NoSuchProof
from veilmart.protocol import moments
from veilmart.storage.files.names import shown_path, visible
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.command import Common, command
from veilmart.terminal.console import Console

PROOF_PREFIX_MIN = 4

ProxyOption = Annotated[
    str | None,
    Parameter(
        name="--proxy",
        help="socks5h://HOST:PORT for this command, or none. Default: $VEILMART_PROXY, then "
        "the stored proxy.",
    ),
]


@dataclass(frozen=True)
class ProofLine:
    """proof: hexadecimal. party: fingerprint. stops: whether it still stops the wallet."""

    proof: str
    party: str
    made_at: int
    finding: str
    stops: bool


@command
def proxy(
    address: Annotated[
        str | None, Parameter(help="socks5h://HOST:PORT, or none; default: show it.")
    ] = None,
    *,
    common: Common = Common(),
) -> None:
    """Route every connection of this wallet through a SOCKS proxy, such as Tor's."""
    chosen = None if address is None else read_proxy(address)
    with opened_wallet(common, fresh=True) as wallet:
        if address is not None:
            wallet.database.run_now(save_proxy, chosen)
        stored = wallet.database.run_now(stored_proxy)
    shown = "none" if stored is None else str(stored)
    common.terminal().result({"proxy": shown}, lambda console: console.print(f"Proxy: {shown}"))


# ---- proofs --------------------------------------------------------------------------------------


@command
def show_proofs(*, common: Common = Common()) -> None:
    """Every stored proof, newest first."""
    with opened_wallet(common) as wallet:
        found = wallet.database.run_now(all_proofs)
    lines = [_line(proof) for proof in found]

    def draw(console: Console) -> None:
        for line in lines:
            moment = moments.moment(line.made_at)
            note = "stops the wallet" if line.stops else "settled by `trust`"
            console.print(f"{line.proof[:8]}  {moment:%Y-%m-%d %H:%M} UTC  {note}")
            console.print(f"  {line.finding}")
            console.print(f"  {line.party}")
        if not lines:
            console.print("There are no proofs.")

    common.terminal().result({"proofs": lines}, draw)


def _line(proof: Proof) -> ProofLine:
    finding = verify_proof(proof.content).finding
    return ProofLine(
        proof.hash.hex(), format_fingerprint(proof.party), proof.made_at, finding, proof.stops
    )


@command
def export_proof(
    proof: Annotated[str, Parameter(help="Beginning of the proof's name.")],
    *,
    out: Annotated[Path | None, Parameter(help="File to write; default: NAME.proof.")] = None,
    common: Common = Common(),
) -> None:
    """Write a proof to a file, to be verified by anybody, offline."""
    with opened_wallet(common) as wallet:
        found = find_proof(wallet, proof)
    target = out or Path(f"{found.hash.hex()[:16]}.proof")
    with PartialFile(target.parent, target.name) as partial:
        partial.write(found.content)
        path = partial.finish()
    common.terminal().result(
        {"proof": found.hash.hex(), "path": path},
        lambda console: console.print(f"Proof written to {shown_path(path)}"),
    )


def find_proof(wallet: Wallet, prefix: str) -> Proof:
    """By the first characters of its name. Raises NoSuchProof, BadArgument."""
    wanted = prefix.strip().lower()
    if len(wanted) < PROOF_PREFIX_MIN:
        raise BadArgument(f"Give at least {PROOF_PREFIX_MIN} characters of the proof.")
    proofs = wallet.database.run_now(all_proofs)
    found = [proof for proof in proofs if proof.hash.hex().startswith(wanted)]
    if not found:
        raise NoSuchProof
    if len(found) > 1:
        raise BadArgument("Several proofs begin like that.")
    return found[0]


@command
def verify_file(
    file: Annotated[Path, Parameter(help="A proof file.")], *, common: Common = Common()
) -> None:
    """Verify a proof file, offline. Exit code 2 if it proves nothing."""
    try:
        with file.open("rb") as stream:
            content = stream.read(PROOF_MAX_BYTES + 1)
    except OSError as fault:
        raise BadArgument(f"{file} cannot be read.") from fault
    found = verify_proof(content)
    common.terminal().result(found, lambda console: _draw_verified(console, found))


def _draw_verified(console: Console, found: VerifiedProof) -> None:
    said = "The proof holds." if found.conclusive else "Both signatures are genuine."
    for line in (said, found.finding, f"The {found.role} {visible(found.name)}", found.party):
        console.print(line)


proof_app = App(
    name="proof", help="Proofs that a broker or merchant signed contradicting documents."
)
proof_app.default(show_proofs)
proof_app.command(export_proof, name="export")
proof_app.command(verify_file, name="verify")
