"""The server's output, line by line. Without --narrate only what an operator needs."""

from veilmart.crypto.identity import format_fingerprint
from veilmart.merchant.events import (
    AskedToJoin,
    BrokerAuthenticated,
    BrokerAway,
    BrokerRefused,
    CatalogueChanged,
    CustomerTunnel,
    Event,
    Faulted,
    FundsReported,
    Listening,
    MenuSent,
    OrderEnded,
    PaymentStatus,
    Selected,
)
from veilmart.protocol.accounting import format_amount
from veilmart.storage.files.names import visible

_GROUPS = {"X25519MLKEM768-KHAE-BLAKE3": "X25519+ML-KEM-768", "FFDHE3072-MIX-SHA256": "ffdhe3072"}


def quiet_lines(event: Event) -> list[str]:
    """Listening, dialling, authentications, faults."""
    match event:
        case Listening(host, port):
            lines = [f"Merchant listening on {host}:{port}"]
        case BrokerAuthenticated(fingerprint):
            lines = [f"Broker authenticated successfully. ({format_fingerprint(fingerprint)})"]
        case BrokerRefused(reason):
            lines = [f"Broker authentication failed. {visible(reason)}"]
        case BrokerAway() | AskedToJoin():
            lines = _dialling_lines(event)
        case Faulted(what):
            lines = [f"Fault: {visible(what)}"]
        case _:
            lines = []
    return lines


def _dialling_lines(event: BrokerAway | AskedToJoin) -> list[str]:
    name = visible(event.name)
    if isinstance(event, BrokerAway):
        return [f"Broker {name} cannot be dialled. {visible(event.reason)}"]
    asked = f"Broker {name} has not admitted this merchant yet; its operator has been asked."
    return [asked, "At the broker, run `veilmart broker merchant admit NAME`."]


def narrated_lines(event: Event, decimals: int) -> list[str]:
    """Every step of a purchase as the merchant sees it."""
    lines = quiet_lines(event)
    match event:
        case CustomerTunnel(request, suite, session_fingerprint):
            group = _GROUPS.get(suite, suite)
            lines = [f"R{request} Group {group}, session fingerprint {session_fingerprint}"]
        case MenuSent(request):
            lines = [f"R{request} Menu sent"]
        case Selected(request, title, amount):
            lines = [
                f"R{request} Selection: {visible(title)}",
                f"R{request} awaiting payment Pay to deliver {format_amount(amount, decimals)}",
            ]
        case PaymentStatus(request, paid):
            lines = [f"{_name(request)} Payment Status - {paid}"]
        case OrderEnded(request, settled, total, returned):
            refunded = "Refunded after the key was out" if returned else "Refunded"
            ended = "Delivered - Transaction complete" if settled else refunded
            lines = [f"{_name(request)} {ended}", f"Total funds: {format_amount(total, decimals)}"]
            if settled:
                lines.append("Transaction Done")
        case FundsReported(total):
            lines = [f"Total funds: {format_amount(total, decimals)}"]
        case CatalogueChanged(serial, products):
            lines = [f"Catalogue {serial}: {products} products"]
    return lines


def _name(request: int | None) -> str:
    return "An earlier order:" if request is None else f"R{request}"
