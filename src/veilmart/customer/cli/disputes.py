"""`veilmart customer dispute|judge`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from veilmart.customer.cli.account import Yes
from veilmart.customer.cli.connect import broker_url, visited
from veilmart.customer.cli.opened_wallet import opened_wallet
from veilmart.customer.cli.prompts import Person
from veilmart.customer.disputes.dispute_rules import dispute as dispute_rule, examine
from veilmart.customer.disputes.fault_finder import Complaint, look_for_fault
from veilmart.customer.disputes.proof_file import PROOF_MAX_BYTES, Judgement, export_proof, judge
from veilmart.customer.wallet.orders import Order, terms_of
from veilmart.customer.wallet.parcels import is_small, stored_segment
from veilmart.customer.wallet.wallet import Wallet, find_order
from veilmart.errors import BadArgument, Declined, NothingToDispute
from veilmart.storage.files.names import shown_path, visible
from veilmart.storage.files.partial_file import PartialFile
from veilmart.terminal.command import PURCHASE, Common, command, command_about
from veilmart.terminal.console import Console


@dataclass(frozen=True)
class DisputeLine:
    """order: hexadecimal. finding: what is wrong. outcome: "refunded", or "saved" to `path`."""

    order: str
    title: str
    finding: str
    outcome: str
    path: str | None = None


@command_about(PURCHASE)
async def dispute(
    order: Annotated[str, Parameter(help="Beginning of the order's name.")],
    *,
    save: Annotated[
        Path | None,
        Parameter(help="Write the proof of the fault into this file instead; send nothing."),
    ] = None,
    yes: Yes = False,
    common: Common = Common(),
) -> None:
    """Get the money back for goods that are not what the merchant signed.

    The command finds the fault by itself, and first says what the broker will see of this order.
    """
    if save is not None:
        _save(order, save, common)
        return
    person = Person(common.terminal(), yes)
    with opened_wallet(common) as wallet, wallet.purchasing():
        found = find_order(wallet, order)
        url = broker_url(wallet, found.broker)
        async with visited(wallet, person, url, mention=False, anonymous=True) as shopper:
            found, complaint = await shopper.perform(examine(found, wallet.clock))
            for line in _announcement(found, complaint):
                person.terminal.say(line)
            if not person.confirm("Show it to the broker and have the money refunded? (y/n) "):
                raise Declined("Nothing was sent.")
            await shopper.perform(dispute_rule(found, complaint, wallet.clock))
    title = visible(found.title)
    person.terminal.result(
        DisputeLine(found.order.hex(), title, complaint.finding.value, "refunded"),
        lambda console: console.print(
            f"{title}: the broker decided for you; the whole amount is back."
        ),
    )


def _announcement(order: Order, complaint: Complaint) -> tuple[str, ...]:
    seen = "which product it was and its key"
    if complaint.reason == "segment":
        seen = f"which product it was, its key, and segment {complaint.index} of its content"
    return (
        f"{visible(order.title)}: {complaint.finding.value}.",
        f"The evidence shows the broker what this order was about: {seen}.",
        "It learns nothing about your other orders.",
    )


def _save(prefix: str, target: Path, common: Common) -> None:
    with opened_wallet(common) as wallet:
        found = find_order(wallet, prefix)
        complaint = _stored_fault(wallet, found)
    data = export_proof(found, complaint)
    with PartialFile(target.parent, target.name) as partial:
        partial.write(data)
        path = partial.finish()
    line = DisputeLine(
        found.order.hex(), visible(found.title), complaint.finding.value, "saved", str(path)
    )
    common.terminal().result(
        line,
        lambda console: console.print(
            f"{line.title}: {line.finding}.\nThe proof is in {shown_path(path)}; it reveals "
            "what this order was about."
        ),
    )


def _stored_fault(wallet: Wallet, order: Order) -> Complaint:
    """From what is on this machine alone, so that it works when the broker is gone."""
    terms = terms_of(order)
    if order.invoice is None:
        raise NothingToDispute("Its key has not come.")
    segment: bytes | None = None
    if order.content_key is not None:
        if is_small(terms):
            segment = wallet.database.run_now(stored_segment, order.order)
        if segment is None and (is_small(terms) or wallet.parcels.missing(order)):
            raise NothingToDispute("Its segments are not on this machine.")
    return look_for_fault(wallet.parcels, order, terms, segment)


@command
def judge_proof(
    file: Annotated[Path, Parameter(help="A file made by `dispute --save`.")],
    *,
    common: Common = Common(),
) -> None:
    """Verify a proof of a merchant's fault, offline. Exit code 2 if it proves none."""
    try:
        with file.open("rb") as stream:
            data = stream.read(PROOF_MAX_BYTES + 1)
    except OSError as fault:
        raise BadArgument(f"{file} cannot be read.") from fault
    found = judge(data)
    common.terminal().result(found, lambda console: _draw(console, found))


def _draw(console: Console, found: Judgement) -> None:
    paid = "The broker signed that it was paid." if found.paid else "It contains no receipt."
    for line in (
        "The merchant is at fault.",
        f"Merchant: {visible(found.merchant_name)}  {found.merchant}",
        f"Order:    {found.order}",
        f"Why:      {found.finding}",
        paid,
    ):
        console.print(line)
