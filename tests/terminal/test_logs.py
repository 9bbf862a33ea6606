"""Logs hold nothing that names anybody."""

import json

import pytest
import structlog

from veilmart.broker import events as broker_events
from veilmart.crypto.identity import format_fingerprint
from veilmart.merchant import events as merchant_events
from veilmart.terminal.csv_file import cell_text
from veilmart.terminal.logs import configure_logs, event_log, redact_text

ORDER = bytes(range(32))
BROKER = [
    broker_events.Listening("192.0.2.7", 8000),
    broker_events.MerchantAuthenticated(
        "Mia's shop", "X25519MLKEM768-KHAE-BLAKE3", "0011223344556677"
    ),
    broker_events.MerchantLost("Mia's shop", "shop.example.org:8100: refused 192.0.2.7"),
    broker_events.CustomerAuthenticated("anna"),
    broker_events.RequestForwarded(ORDER[:16], 4711, 815),
    broker_events.AwaitingPayment(ORDER[:16], ORDER, 4711),
    broker_events.PaymentHeld(ORDER),
    broker_events.TaskFailed("Reading a merchant's descriptor", "error 3102 at 192.0.2.7"),
]
MERCHANT = [
    merchant_events.Selected(7, "A book about Mia", 4711),
    merchant_events.BrokerAuthenticated(ORDER),
    merchant_events.BrokerRefused(f"It shows {format_fingerprint(ORDER)}"),
    merchant_events.OrderEnded(7, True, 4711),
]
TELLING = ("anna", "Mia", "192.0.2", "shop.example", "4711", "815", "8000", ORDER.hex()[:8], "0011")


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> object:
    configure_logs()
    yield lambda: capsys.readouterr().err
    structlog.reset_defaults()


def test_events_are_json_lines_without_names_addresses_and_numbers(logged) -> None:
    for role, events in (("broker", BROKER), ("merchant", MERCHANT)):
        observe = event_log(role)
        for event in events:
            observe(event)
    text = logged()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["event"] for line in lines] == [type(e).__name__ for e in (*BROKER, *MERCHANT)]
    for line in lines:
        shown = json.dumps({key: value for key, value in line.items() if key != "timestamp"})
        for word in (*TELLING, format_fingerprint(ORDER)[:9]):
            assert word not in shown, (word, line)
    assert lines[1]["group"] == "X25519MLKEM768-KHAE-BLAKE3"
    assert "error 3102" in lines[7]["error"]


def test_other_loggers_of_the_program_are_redacted_too(logged) -> None:
    structlog.get_logger("veilmart.transport").error("server fault", kind="KeyError", secret="anna")
    line = json.loads(logged())
    assert (line["kind"], line["secret"], line["level"]) == ("KeyError", "[str]", "error")


@pytest.mark.parametrize(
    "text",
    ["10.0.0.1", "fe80::1", "[2001:db8::1]", ORDER.hex(), "12.50", "ABCDE-12345-FGHJK-00000"],
)
def test_what_is_taken_out_of_sentences(text: str) -> None:
    assert redact_text(f"It was {text} again.") == "It was [redacted] again."


@pytest.mark.parametrize("text", ["=1+2", "+1", "-1", "@x", "\t=1"])
def test_a_cell_never_begins_like_a_formula(text: str) -> None:
    assert cell_text(text)[0] not in "=+-@\t"
    assert cell_text(-5) == "-5"
    assert "\x1b" not in cell_text("\x1b[31mred")
